// The DRAM behind the AXI masters, called once per port and clock edge through DPI-C (harness.sv).
//
// All ports share one memory: a file mapped into this process and the host's, so nothing is copied.
// A read's first beat can be transferred `read_latency` cycles after its address, a write's response
// `write_latency` cycles after its last beat; requests are pipelined. A write becomes visible to reads
// with its response, not before, so that an accelerator that does not wait for it reads old data.
// The model also checks the rules that the master must keep (axi_rules.h).
#include <fcntl.h>
#include <svdpi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deque>
#include <map>

#include "axi_rules.h"

namespace {

constexpr unsigned MAX_PORTS = 4;
enum Response : uint8_t { OKAY = 0, SLVERR = 2, DECERR = 3 };
enum Order { IN_ORDER = 0, REORDER = 1, INTERLEAVE = 2 };

// Run-time settings by name. Latencies in cycles, `stall_*` and `early` probabilities.
std::map<std::string, double> settings = {
    {"read_latency", 16}, {"write_latency", 16},
    {"reads", 64}, {"writes", 256},          // bursts accepted before the memory holds its ready low
    {"bandwidth", 1},                        // share of cycles in which an R or a W channel carries a beat
    {"stall_ar", 0}, {"stall_r", 0}, {"stall_aw", 0}, {"stall_w", 0}, {"stall_b", 0}, {"seed", 1},
    {"order", IN_ORDER},                     // the other two also draw each latency between L and 3L
    {"early", 0},                            // share of reads that see the memory at their address handshake
    {"max_burst", 256}, {"max_reads", 64}, {"max_writes", 256}, {"read_ids", 16},     // the master's promises
};

struct ErrorRange { uint64_t begin, end; bool reads, writes; };

struct Read { uint64_t address, ready_at; unsigned id, beats, sent; std::vector<uint8_t> snapshot; };

struct Write {
    uint64_t address, ready_at;
    unsigned id, beats;
    std::vector<uint8_t> data;
    std::vector<uint64_t> strobes;           // one word of byte lanes for each beat received
    bool complete() const { return strobes.size() == beats; }
};

uint8_t *memory = nullptr;
uint64_t window_base = 0, window_size = 0;
std::vector<ErrorRange> error_ranges;
Reports violations, bad_addresses;
uint64_t read_beats = 0, read_bursts = 0, write_beats = 0, write_bursts = 0;

class Port {
  public:
    void settle(unsigned number);            // apply the settings
    void reset();
    unsigned pending() const { return reads.size() + writes.size(); }

    unsigned number = 0;
    uint64_t now = 0;
    // what the model drives, until the next edge
    bool arready = false, awready = false, wready = false, rvalid = false, rlast = false, bvalid = false;
    uint8_t rid = 0, rresp = 0, bid = 0, bresp = 0, rdata[BYTES] = {};

    Rules rules;
    Write *open_write();                     // the write whose data comes next
    void accept_read(uint64_t address, Attributes attr);
    void accept_write(uint64_t address, Attributes attr);
    void accept_data(const uint8_t *data, uint64_t strobe);
    void retire_read();
    void retire_write();
    void offer();                            // choose what to drive in the next cycle

  private:
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
    uint64_t state = 1;
    double credit_r = 0, credit_w = 0;
    double read_latency, write_latency, bandwidth, stall_ar, stall_r, stall_aw, stall_w, stall_b, early;
    unsigned limit_reads, limit_writes;
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
    order = settings["order"];
    rules.port = n, rules.violations = &violations;
    auto promise = [](const char *name) { return static_cast<unsigned>(settings[name]); };
    rules.promises = {promise("max_burst"), promise("max_reads"), promise("max_writes"), promise("read_ids")};
}

void Port::reset() {
    reads.clear(), writes.clear();
    reading = answering = -1;
    arready = awready = wready = rvalid = bvalid = false;
}

double Port::random() {                      // xorshift64*
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return static_cast<double>(state * 0x2545f4914f6cdd1dull >> 11) / 9007199254740992.0;
}

uint64_t Port::latency(double cycles) {
    return order == IN_ORDER ? cycles : cycles + static_cast<uint64_t>(2 * cycles * random());
}

Response Port::response(uint64_t address, bool write) {
    if (address < window_base || address - window_base + BYTES > window_size) {
        bad_addresses.add(std::string(write ? "write" : "read") + " at " + hex(address) + " in cycle "
                          + std::to_string(now) + ", port " + std::to_string(number));
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
    rules.reads_under_way(reads.size());
    ++read_bursts;
}

void Port::accept_write(uint64_t address, Attributes attr) {
    writes.push_back(Write{aligned(address), 0, attr.id, attr.beats, {}, {}});
    rules.writes_under_way(writes.size());
    ++write_bursts;
}

Write *Port::open_write() {
    for (Write &write : writes)
        if (!write.complete()) return &write;
    return nullptr;
}

void Port::accept_data(const uint8_t *data, uint64_t strobe) {
    ++write_beats;
    credit_w -= 1;
    Write &write = *open_write();
    write.data.insert(write.data.end(), data, data + BYTES);
    write.strobes.push_back(strobe);
    if (write.complete()) write.ready_at = now + latency(write_latency);
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

// The burst to serve next: the rest of `current`, else the first in order, else any that is the oldest of its ID.
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
    p.now = p.rules.now = cycle;
    if (!aresetn) {
        p.rules.reset(arvalid, awvalid, wvalid);
        p.reset();
    } else {
        if (p.rvalid && rready) p.retire_read();
        if (p.bvalid && bready) p.retire_write();
        p.rules.read_request(arvalid, p.arready, araddr, arattr);
        p.rules.write_request(awvalid, p.awready, awaddr, awattr);
        if (arvalid && p.arready) p.accept_read(araddr, Attributes(arattr));
        if (awvalid && p.awready) p.accept_write(awaddr, Attributes(awattr));
        const Write *open = wvalid ? p.open_write() : nullptr;
        p.rules.write_data(wvalid, p.wready, data, wstrb, wlast, open ? open->strobes.size() + 1 : 0,
                           open ? open->beats : 0);
        if (wvalid && p.wready) p.accept_data(data, wstrb);
        p.offer();
    }
    *arready = p.arready, *awready = p.awready, *wready = p.wready;
    *rvalid = p.rvalid, *rid = p.rid, *rresp = p.rresp, *rlast = p.rlast;
    memcpy(rdata, p.rdata, BYTES);
    *bvalid = p.bvalid, *bid = p.bid, *bresp = p.bresp;
    *fault = violations.count != 0;
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

// The four traffic counts, the bursts in flight, and the numbers of violations and bad addresses.
extern "C" void axi_memory_counts(uint64_t *counts) {
    uint64_t under_way = 0;
    for (const Port &port : ports) under_way += port.pending();
    const uint64_t all[] = {read_beats, read_bursts, write_beats, write_bursts, under_way, violations.count,
                            bad_addresses.count};
    memcpy(counts, all, sizeof all);
}

// Text of report `index` of a kind (0 violations, 1 bad addresses); null after the last one kept.
extern "C" const char *axi_memory_report(int kind, unsigned index) {
    const auto &list = (kind == 0 ? violations : bad_addresses).kept;
    return index < list.size() ? list[index].c_str() : nullptr;
}

// Clear counts, reports and error ranges; memory contents and bursts in flight stay.
extern "C" void axi_memory_clear() {
    violations.clear(), bad_addresses.clear(), error_ranges.clear();
    read_beats = read_bursts = write_beats = write_bursts = 0;
}
