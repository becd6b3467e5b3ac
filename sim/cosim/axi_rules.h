// The rules for an AXI4 master, checked on one port, cycle by cycle.
//
// Stable payload while valid waits for ready; INCR bursts of full beats, none across 4 KiB or longer than
// promised; IDs and outstanding bursts within the promise; write data after its address, `last` at its end;
// nothing valid during reset.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

constexpr unsigned BYTES = AXI_DATA / 8;
constexpr uint64_t PAGE = 4096;              // no burst crosses a multiple of this

inline std::string hex(uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

// Messages: the first few are kept, all are counted.
struct Reports {
    static constexpr size_t KEPT = 16;
    std::vector<std::string> kept;
    uint64_t count = 0;
    void add(const std::string &text) { if (count++ < KEPT) kept.push_back(text); }
    void clear() { kept.clear(), count = 0; }
};

struct Attributes {                          // of a burst, as packed by harness.sv
    unsigned beats, size, burst, id;
    explicit Attributes(uint32_t word)
        : beats((word & 0xff) + 1), size(word >> 8 & 7), burst(word >> 11 & 3), id(word >> 13 & 15) {}
};

struct Promises { unsigned max_burst, max_reads, max_writes, read_ids; };

class Rules {
  public:
    Promises promises;
    Reports *violations = nullptr;
    unsigned port = 0;
    uint64_t now = 0;

    void reset(bool arvalid, bool awvalid, bool wvalid) {
        if (arvalid) violation("AR", "valid during reset");
        if (awvalid) violation("AW", "valid during reset");
        if (wvalid) violation("W", "valid during reset");
        ar = aw = Offer(), w_waiting = false;
    }

    void read_request(bool valid, bool ready, uint64_t address, uint32_t attributes) {
        request("AR", ar, valid, ready, address, attributes);
        unsigned id = Attributes(attributes).id;
        if (valid && ready && id >= promises.read_ids)
            violation("AR", "ID " + std::to_string(id) + ", the limit is " + std::to_string(promises.read_ids)
                      + " IDs");
    }

    void write_request(bool valid, bool ready, uint64_t address, uint32_t attributes) {
        request("AW", aw, valid, ready, address, attributes);
    }

    void reads_under_way(size_t count) { under_way("AR", count, promises.max_reads); }
    void writes_under_way(size_t count) { under_way("AW", count, promises.max_writes); }

    // `beats` of the burst that the data belongs to, 0 if its address is not accepted yet; `beat` counts from 1.
    void write_data(bool valid, bool ready, const uint8_t *data, uint64_t strobe, bool last, size_t beat,
                    size_t beats) {
        if (w_waiting && !valid)
            violation("W", "valid withdrawn before ready");
        else if (w_waiting && (strobe != w_strobe || last != w_last || memcmp(data, w_data, BYTES)))
            violation("W", "payload changed while it waited");
        if (valid && beats == 0 && !aw.waiting && !w_waiting) violation("W", "data offered before its address");
        if (valid && ready && last != (beat == beats))
            violation("W", std::string("last is ") + (last ? "1" : "0") + " at beat " + std::to_string(beat)
                      + " of " + std::to_string(beats));
        if (valid) memcpy(w_data, data, BYTES), w_strobe = strobe, w_last = last;
        w_waiting = valid && !ready;
    }

  private:
    struct Offer { bool waiting = false; uint64_t address = 0; uint32_t attributes = 0; };
    Offer ar, aw;
    bool w_waiting = false, w_last = false;
    uint8_t w_data[BYTES] = {};
    uint64_t w_strobe = 0;

    void violation(const char *channel, const std::string &text) {
        violations->add("cycle " + std::to_string(now) + ", port " + std::to_string(port) + ", " + channel
                        + ": " + text);
    }

    void request(const char *channel, Offer &last, bool valid, bool ready, uint64_t address, uint32_t word) {
        if (last.waiting && !valid)
            violation(channel, "valid withdrawn before ready");
        else if (last.waiting && (last.address != address || last.attributes != word))
            violation(channel, "payload changed while it waited: address " + hex(last.address) + " -> "
                      + hex(address) + ", attributes " + hex(last.attributes) + " -> " + hex(word));
        if (valid && ready) burst(channel, Attributes(word), address);
        last = {valid && !ready, address, word};
    }

    void burst(const char *channel, const Attributes &attributes, uint64_t address) {
        uint64_t first = address % PAGE / BYTES * BYTES;
        std::string beats = std::to_string(attributes.beats) + " beats";
        if (attributes.burst != 1)
            violation(channel, "burst type " + std::to_string(attributes.burst) + " is not INCR");
        if (1u << attributes.size != BYTES)
            violation(channel, "beats of " + std::to_string(1u << attributes.size) + " bytes on a bus of "
                      + std::to_string(BYTES));
        if (attributes.beats > promises.max_burst)
            violation(channel, beats + ", the limit is " + std::to_string(promises.max_burst));
        if (first + attributes.beats * BYTES > PAGE)
            violation(channel, beats + " from " + hex(address) + " cross a 4 KiB boundary");
    }

    void under_way(const char *channel, size_t count, unsigned limit) {
        if (count > limit) violation(channel, "more than " + std::to_string(limit) + " bursts outstanding");
    }
};
