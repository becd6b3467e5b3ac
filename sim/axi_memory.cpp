// The DRAM behind the AXI masters, called once per port and clock edge through DPI-C (harness.sv).
//
// All ports share one memory: a file mapped into this process and the host's, so nothing is copied.
// A read's first beat can be taken `read_latency` cycles after its address was, a write's response
// `write_latency` cycles after its last beat; requests are pipelined. A write becomes visible to reads
// when its response is given, not before, so an accelerator that does not wait for it is found out.
// Beside serving the master, the model checks the rules the master has to keep (see `check_*`).
#include <fcntl.h>
#include <svdpi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr unsigned BYTES = AXI_DATA / 8;
constexpr unsigned MAX_PORTS = 4, MAX_REPORTS = 16;
constexpr uint64_t PAGE = 4096;              // no burst crosses a multiple of this
enum Response : uint8_t { OKAY = 0, SLVERR = 2, DECERR = 3 };
enum Order { IN_ORDER = 0, REORDER = 1, INTERLEAVE = 2 };

// Run-time settings by name. Latencies in cycles, `stall_*` and `early` probabilities.
std::map<std::string, double> settings = {
    {"read_latency", 16}, {"write_latency", 16},
    {"reads", 64}, {"writes", 256},          // bursts the memory accepts before it holds its ready low
    {"bandwidth", 1},                        // share of cycles in which an R or a W channel carries a beat
    {"stall_ar", 0}, {"stall_r", 0}, {"stall_aw", 0}, {"stall_w", 0}, {"stall_b", 0}, {"seed", 1},
    {"order", IN_ORDER},                     // the other two also draw each latency from L to 3L
    {"early", 0},                            // share of reads that see the memory at their address handshake
    {"max_burst", 256}, {"max_reads", 64}, {"max_writes", 256}, {"read_ids", 16},     // the master's promises
};

struct ErrorRange { uint64_t begin, end; bool reads, writes; };

struct Attributes {                          // as packed by harness.sv
    unsigned beats, size, burst, id;
    explicit Attributes(uint32_t word)
        : beats((word & 0xff) + 1), size(word >> 8 & 7), burst(word >> 11 & 3), id(word >> 13 & 15) {}
};

struct Read { uint64_t address, ready_at; unsigned id, beats, sent; std::vector<uint8_t> snapshot; };

struct Write {
    uint64_t address, ready_at;
    unsigned id, beats;
    std::vector<uint8_t> data;
    std::vector<uint64_t> strobes;           // one word of byte lanes for each beat received
    bool complete() const { return strobes.size() == beats; }
};

// What a channel showed in the last cycle, to see whether it waits as it must.
struct Offer { bool waiting = false; uint64_t address = 0; uint32_t attributes = 0; };

uint8_t *memory = nullptr;
uint64_t window_base = 0, window_size = 0;
std::vector<ErrorRange> error_ranges;
std::vector<std::string> violations, bad_addresses;
uint64_t n_violations = 0, n_bad_addresses = 0;
uint64_t read_beats = 0, read_bursts = 0, write_beats = 0, write_bursts = 0;

void record(std::vector<std::string> &list, uint64_t &count, const std::string &text) {
    if (count++ < MAX_REPORTS) list.push_back(text);
}

std::string hex(uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

class Port {
  public:
    void settle(unsigned number);            // take the settings over
    void reset();
    unsigned pending() const { return reads.size() + writes.size(); }

    unsigned number = 0;
    uint64_t now = 0;
    // what the model drives, until the next edge
    bool arready = false, awready = false, wready = false, rvalid = false, rlast = false, bvalid = false;
    uint8_t rid = 0, rresp = 0, bid = 0, bresp = 0, rdata[BYTES] = {};

    void check_request(const char *channel, Offer &last, bool valid, bool ready, uint64_t address, uint32_t attr);
    void check_data(bool valid, const uint8_t *data, uint64_t strobe, bool last);
    void check_reset(bool arvalid, bool awvalid, bool wvalid);
    void accept_read(uint64_t address, Attributes attr);
    void accept_write(uint64_t address, Attributes attr);
    void accept_data(const uint8_t *data, uint64_t strobe);
    void retire_read();
    void retire_write();
    void offer();                            // choose what to drive in the next cycle
    Offer ar, aw;

  private:
    void violation(const char *channel, const std::string &text);
    void check_burst(const char *channel, const Attributes &attr, uint64_t address);
    bool chance(double probability) { return probability > 0 && random() < probability; }
    double random();
    uint64_t latency(double cycles);
    template <class Burst> int choose(const std::deque<Burst> &bursts, int current);
    bool ready(const Read &read) const { return read.ready_at <= now + 1; }
    bool ready(const Write &write) const { return write.complete() && write.ready_at <= now + 1; }
    Response response(uint64_t address, bool write);
    void offer_read();
    void offer_response();

    std::deque<Read> reads;
    std::deque<Write> writes;                // accepted addresses; data arrives in this order
    int reading = -1, answering = -1;        // index of the burst on R, on B
    bool data_waiting = false, last_wlast = false;
    uint8_t last_data[BYTES] = {};
    uint64_t last_strobe = 0;
    uint64_t state = 1;
    double credit_r = 0, credit_w = 0;
    double read_latency, write_latency, bandwidth, stall_ar, stall_r, stall_aw, stall_w, stall_b, early;
    unsigned max_reads, max_writes, limit_reads, limit_writes, max_burst, read_ids;
    int order;
};

Port ports[MAX_PORTS];

void Port::settle(unsigned n) {
    number = n;
    state = 0x9e3779b97f4a7c15ull * (static_cast<uint64_t>(settings["seed"]) + 1) + n;
    read_latency = settings["read_latency"], write_latency = settings["write_latency"];
    bandwidth = settings["bandwidth"], early = settings["early"];
    stall_ar = settings["stall_ar"], stall_r = settings["stall_r"], stall_aw = settings["stall_aw"];
    stall_w = settings["stall_w"], stall_b = settings["stall_b"];
    limit_reads = settings["reads"], limit_writes = settings["writes"];
    max_reads = settings["max_reads"], max_writes = settings["max_writes"];
    max_burst = settings["max_burst"], read_ids = settings["read_ids"], order = settings["order"];
}

void Port::reset() {
    reads.clear(), writes.clear();
    ar = aw = Offer();
    reading = answering = -1;
    data_waiting = arready = awready = wready = rvalid = bvalid = false;
}

double Port::random() {                      // xorshift64*
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return static_cast<double>(state * 0x2545f4914f6cdd1dull >> 11) / 9007199254740992.0;
}

uint64_t Port::latency(double cycles) {
    return order == IN_ORDER ? cycles : cycles + static_cast<uint64_t>(2 * cycles * random());
}

void Port::violation(const char *channel, const std::string &text) {
    record(violations, n_violations,
           "cycle " + std::to_string(now) + ", port " + std::to_string(number) + ", " + channel + ": " + text);
}

// ---- the rules of the master ----

void Port::check_reset(bool arvalid, bool awvalid, bool wvalid) {
    if (arvalid) violation("AR", "valid during reset");
    if (awvalid) violation("AW", "valid during reset");
    if (wvalid) violation("W", "valid during reset");
}

void Port::check_request(const char *channel, Offer &last, bool valid, bool ready, uint64_t address, uint32_t attr) {
    if (last.waiting && !valid)
        violation(channel, "valid withdrawn before ready");
    else if (last.waiting && (last.address != address || last.attributes != attr))
        violation(channel, "payload changed while it waited: address " + hex(last.address) + " -> " + hex(address)
                  + ", attributes " + hex(last.attributes) + " -> " + hex(attr));
    if (valid && !last.waiting) check_burst(channel, Attributes(attr), address);
    last = {valid && !ready, address, attr};
}

void Port::check_burst(const char *channel, const Attributes &attr, uint64_t address) {
    uint64_t first = address & ~static_cast<uint64_t>(BYTES - 1);
    bool is_read = channel[1] == 'R';
    if (attr.burst != 1) violation(channel, "burst type " + std::to_string(attr.burst) + " is not INCR");
    if (1u << attr.size != BYTES)
        violation(channel, "beats of " + std::to_string(1u << attr.size) + " bytes on a bus of "
                  + std::to_string(BYTES));
    if (attr.beats > max_burst)
        violation(channel, std::to_string(attr.beats) + " beats, the limit is " + std::to_string(max_burst));
    if ((first & (PAGE - 1)) + attr.beats * BYTES > PAGE)
        violation(channel, std::to_string(attr.beats) + " beats from " + hex(address) + " cross a 4 KiB boundary");
    if (is_read && attr.id >= read_ids)
        violation(channel, "ID " + std::to_string(attr.id) + ", the limit is " + std::to_string(read_ids) + " IDs");
}

void Port::check_data(bool valid, const uint8_t *data, uint64_t strobe, bool last) {
    if (data_waiting && !valid)
        violation("W", "valid withdrawn before ready");
    else if (data_waiting && (strobe != last_strobe || last != last_wlast || memcmp(data, last_data, BYTES)))
        violation("W", "payload changed while it waited");
    if (valid) {
        const Write *open = nullptr;
        for (const Write &write : writes)
            if (!write.complete()) { open = &write; break; }
        if (!open && !aw.waiting && !data_waiting)
            violation("W", "data offered before its address");
        if (open && wready && last != (open->strobes.size() + 1 == open->beats))
            violation("W", std::string("last is ") + (last ? "1" : "0") + " at beat "
                      + std::to_string(open->strobes.size() + 1) + " of " + std::to_string(open->beats));
        memcpy(last_data, data, BYTES), last_strobe = strobe, last_wlast = last;
    }
    data_waiting = valid && !wready;
}

// ---- the memory ----

Response Port::response(uint64_t address, bool write) {
    if (address < window_base || address - window_base + BYTES > window_size) {
        record(bad_addresses, n_bad_addresses, std::string(write ? "write" : "read") + " at " + hex(address)
               + " in cycle " + std::to_string(now) + ", port " + std::to_string(number));
        return DECERR;
    }
    for (const ErrorRange &range : error_ranges)
        if (address < range.end && address + BYTES > range.begin && (write ? range.writes : range.reads))
            return SLVERR;
    return OKAY;
}

uint64_t aligned(uint64_t address) { return address & ~static_cast<uint64_t>(BYTES - 1); }

void Port::accept_read(uint64_t address, Attributes attr) {
    Read read{aligned(address), now + latency(read_latency), attr.id, attr.beats, 0, {}};
    uint64_t offset = read.address - window_base, size = read.beats * BYTES;
    if (chance(early) && offset <= window_size && size <= window_size - offset)
        read.snapshot.assign(memory + offset, memory + offset + size);
    reads.push_back(std::move(read));
    if (reads.size() > max_reads) violation("AR", "more than " + std::to_string(max_reads) + " bursts outstanding");
    ++read_bursts;
}

void Port::accept_write(uint64_t address, Attributes attr) {
    writes.push_back(Write{aligned(address), 0, attr.id, attr.beats, {}, {}});
    if (writes.size() > max_writes) violation("AW", "more than " + std::to_string(max_writes) + " bursts outstanding");
    ++write_bursts;
}

void Port::accept_data(const uint8_t *data, uint64_t strobe) {
    ++write_beats;
    credit_w -= 1;
    for (Write &write : writes) {
        if (write.complete()) continue;
        write.data.insert(write.data.end(), data, data + BYTES);
        write.strobes.push_back(strobe);
        if (write.complete()) write.ready_at = now + latency(write_latency);
        return;
    }
}

void Port::retire_read() {
    ++read_beats;
    rvalid = false;
    if (rlast) reads.erase(reads.begin() + reading), reading = -1;
    else if (order == INTERLEAVE) reading = -1;
}

void Port::retire_write() {
    bvalid = false;
    writes.erase(writes.begin() + answering), answering = -1;
}

// The burst to serve next: `current` goes on, else the first in order, else any that is the oldest of its ID.
template <class Burst> int Port::choose(const std::deque<Burst> &bursts, int current) {
    if (current >= 0) return current;
    if (order == IN_ORDER) return !bursts.empty() && ready(bursts.front()) ? 0 : -1;
    int chosen = -1, candidates = 0;
    unsigned seen = 0;
    for (unsigned n = 0; n < bursts.size(); ++n) {
        if (seen >> bursts[n].id & 1) continue;
        seen |= 1u << bursts[n].id;
        if (ready(bursts[n]) && random() * ++candidates < 1) chosen = n;
    }
    return chosen;
}

void Port::offer_read() {
    credit_r = credit_r < 1 ? credit_r + bandwidth : 1;
    if (rvalid || credit_r < 1 || chance(stall_r)) return;
    reading = choose(reads, reading);
    if (reading < 0) return;
    Read &read = reads[reading];
    uint64_t address = read.address + read.sent * BYTES;
    credit_r -= 1;
    rvalid = true, rid = read.id, rresp = response(address, false);
    if (rresp == DECERR) memset(rdata, 0xde, BYTES);
    else memcpy(rdata, read.snapshot.empty() ? memory + (address - window_base)
                                             : read.snapshot.data() + read.sent * BYTES, BYTES);
    rlast = ++read.sent == read.beats;
}

void Port::offer_response() {
    if (bvalid || chance(stall_b)) return;
    answering = choose(writes, -1);
    if (answering < 0) return;
    const Write &write = writes[answering];
    bvalid = true, bid = write.id, bresp = OKAY;
    for (unsigned beat = 0; beat < write.beats; ++beat) {
        uint64_t address = write.address + beat * BYTES;
        Response answer = response(address, true);
        if (answer > bresp) bresp = answer;
        if (answer != OKAY) continue;
        uint8_t *to = memory + (address - window_base);
        const uint8_t *from = write.data.data() + beat * BYTES;
        for (unsigned lane = 0; lane < BYTES; ++lane)
            if (write.strobes[beat] >> lane & 1) to[lane] = from[lane];
    }
}

void Port::offer() {
    offer_read();
    offer_response();
    arready = reads.size() < limit_reads && !chance(stall_ar);
    awready = writes.size() < limit_writes && !chance(stall_aw);
    credit_w = credit_w < 1 ? credit_w + bandwidth : 1;
    wready = !writes.empty() && !writes.back().complete() && credit_w >= 1 && !chance(stall_w);
}

}  // namespace

extern "C" void axi_memory_cycle(
    int port, int64_t cycle, svBit aresetn, svBit arvalid, int64_t araddr, int arattr, svBit *arready,
    svBit *rvalid, svBitVecVal *rdata, char *rid, char *rresp, svBit *rlast, svBit rready,
    svBit awvalid, int64_t awaddr, int awattr, svBit *awready,
    svBit wvalid, const svBitVecVal *wdata, int64_t wstrb, svBit wlast, svBit *wready,
    svBit *bvalid, char *bid, char *bresp, svBit bready, svBit *fault) {
    Port &p = ports[port];
    const uint8_t *data = reinterpret_cast<const uint8_t *>(wdata);
    p.now = cycle;
    if (!aresetn) {
        p.check_reset(arvalid, awvalid, wvalid);
        p.reset();
    } else {
        if (p.rvalid && rready) p.retire_read();
        if (p.bvalid && bready) p.retire_write();
        p.check_request("AR", p.ar, arvalid, p.arready, araddr, arattr);
        p.check_request("AW", p.aw, awvalid, p.awready, awaddr, awattr);
        if (arvalid && p.arready) p.accept_read(araddr, Attributes(arattr));
        if (awvalid && p.awready) p.accept_write(awaddr, Attributes(awattr));
        p.check_data(wvalid, data, wstrb, wlast);
        if (wvalid && p.wready) p.accept_data(data, wstrb);
        p.offer();
    }
    *arready = p.arready, *awready = p.awready, *wready = p.wready;
    *rvalid = p.rvalid, *rid = p.rid, *rresp = p.rresp, *rlast = p.rlast;
    memcpy(rdata, p.rdata, BYTES);
    *bvalid = p.bvalid, *bid = p.bid, *bresp = p.bresp;
    *fault = n_violations != 0;
}

// ---- for the host, through ctypes; 0 is success ----

// Map the file `path` as the memory at addresses `base` and up.
extern "C" int axi_memory_map(const char *path, uint64_t base, uint64_t size) {
    int file = open(path, O_RDWR);
    if (file < 0) return -1;
    void *mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return -1;
    memory = static_cast<uint8_t *>(mapped), window_base = base, window_size = size;
    for (unsigned n = 0; n < MAX_PORTS; ++n) ports[n].settle(n);
    return 0;
}

extern "C" int axi_memory_set(const char *name, double value) {
    auto setting = settings.find(name);
    if (setting == settings.end()) return -1;
    setting->second = value;
    for (unsigned n = 0; n < MAX_PORTS; ++n) ports[n].settle(n);
    return 0;
}

extern "C" void axi_memory_error_range(uint64_t begin, uint64_t end, int reads, int writes) {
    error_ranges.push_back({begin, end, reads != 0, writes != 0});
}

// The four traffic counts, the bursts under way, and how many violations and bad addresses there were.
extern "C" void axi_memory_counts(uint64_t *counts) {
    uint64_t under_way = 0;
    for (const Port &port : ports) under_way += port.pending();
    const uint64_t all[] = {read_beats, read_bursts, write_beats, write_bursts, under_way, n_violations,
                            n_bad_addresses};
    memcpy(counts, all, sizeof all);
}

// Text of report `index` of a kind (0 violations, 1 bad addresses); null behind the last one kept.
extern "C" const char *axi_memory_report(int kind, unsigned index) {
    const auto &list = kind == 0 ? violations : bad_addresses;
    return index < list.size() ? list[index].c_str() : nullptr;
}

// Forget counts, reports and error ranges; the memory's contents and the bursts under way stay.
extern "C" void axi_memory_clear() {
    violations.clear(), bad_addresses.clear(), error_ranges.clear();
    n_violations = n_bad_addresses = read_beats = read_bursts = write_beats = write_bursts = 0;
}
