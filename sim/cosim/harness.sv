// The simulated board: clock, reset and cycle count, the accelerator, and a memory behind each AXI master.
//
// The clock is generated here, so that Python is woken only when `wake` changes: at an interrupt, in cycle
// `wake_at`, or at a fault that the memory model finds. Python (cocotb) accesses only the ports of this module.
// Every input is registered: logic directly on an input would be evaluated twice more in each cycle.
// AXI_DATA, AXI_ADDR and AXI_PORTS are macros because the module `vta` has no parameters either.
`timescale 1ns / 1ps

// One AXI4 slave on the shared memory; the model behind it is axi_memory.cpp. All outputs are registered.
module axi_memory_port #(
    parameter int PORT = 0
) (
    input  wire                    aclk, aresetn,
    input  wire [`AXI_ADDR-1:0]    araddr,
    input  wire [7:0]              arlen,
    input  wire [2:0]              arsize,
    input  wire [1:0]              arburst,
    input  wire [3:0]              arid,
    input  wire [3:0]              arcache,
    input  wire [2:0]              arprot,
    input  wire                    arvalid,
    output reg                     arready,
    output reg  [`AXI_DATA-1:0]    rdata,
    output reg  [1:0]              rresp,
    output reg                     rlast,
    output reg  [3:0]              rid,
    output reg                     rvalid,
    input  wire                    rready,
    input  wire [`AXI_ADDR-1:0]    awaddr,
    input  wire [7:0]              awlen,
    input  wire [2:0]              awsize,
    input  wire [1:0]              awburst,
    input  wire [3:0]              awid,
    input  wire [3:0]              awcache,
    input  wire [2:0]              awprot,
    input  wire                    awvalid,
    output reg                     awready,
    input  wire [`AXI_DATA-1:0]    wdata,
    input  wire [`AXI_DATA/8-1:0]  wstrb,
    input  wire                    wlast,
    input  wire                    wvalid,
    output reg                     wready,
    output reg  [1:0]              bresp,
    output reg  [3:0]              bid,
    output reg                     bvalid,
    input  wire                    bready,
    output reg                     fault        // a rule was violated; stays until the report is cleared
);
    import "DPI-C" function void axi_memory_cycle(
        input int port, input longint cycle, input bit aresetn,
        input bit arvalid, input longint araddr, input int arattr,
        output bit arready,
        output bit rvalid, output bit [`AXI_DATA-1:0] rdata, output byte rid, output byte rresp,
        output bit rlast, input bit rready,
        input bit awvalid, input longint awaddr, input int awattr,
        output bit awready,
        input bit wvalid, input bit [`AXI_DATA-1:0] wdata, input longint wstrb, input bit wlast,
        output bit wready,
        output bit bvalid, output byte bid, output byte bresp, input bit bready,
        output bit fault);

    longint cycle = 0;
    bit n_arready, n_rvalid, n_rlast, n_awready, n_wready, n_bvalid, n_fault;
    bit [`AXI_DATA-1:0] n_rdata;
    byte n_rid, n_rresp, n_bid, n_bresp;

    always @(posedge aclk) begin
        axi_memory_cycle(
            PORT, cycle, aresetn,
            arvalid, 64'(araddr), {8'b0, arprot, arcache, arid, arburst, arsize, arlen}, n_arready,
            n_rvalid, n_rdata, n_rid, n_rresp, n_rlast, rready,
            awvalid, 64'(awaddr), {8'b0, awprot, awcache, awid, awburst, awsize, awlen}, n_awready,
            wvalid, wdata, 64'(wstrb), wlast, n_wready,
            n_bvalid, n_bid, n_bresp, bready, n_fault);
        cycle <= cycle + 1;
        arready <= n_arready;
        rvalid <= n_rvalid;
        rdata <= n_rdata;
        rid <= n_rid[3:0];
        rresp <= n_rresp[1:0];
        rlast <= n_rlast;
        awready <= n_awready;
        wready <= n_wready;
        bvalid <= n_bvalid;
        bid <= n_bid[3:0];
        bresp <= n_bresp[1:0];
        fault <= n_fault;
    end
endmodule

// The signals of one AXI master with prefix P. Those of masters that the accelerator lacks are unused.
`define MASTER(P) \
    wire [`AXI_ADDR-1:0] P``_araddr, P``_awaddr; \
    wire [7:0] P``_arlen, P``_awlen; \
    wire [2:0] P``_arsize, P``_awsize, P``_arprot, P``_awprot; \
    wire [1:0] P``_arburst, P``_awburst, P``_rresp, P``_bresp; \
    wire [3:0] P``_arid, P``_awid, P``_rid, P``_bid, P``_arcache, P``_awcache; \
    wire [`AXI_DATA-1:0] P``_rdata, P``_wdata; \
    wire [`AXI_DATA/8-1:0] P``_wstrb; \
    wire P``_arvalid, P``_arready, P``_rvalid, P``_rready, P``_rlast; \
    wire P``_awvalid, P``_awready, P``_wvalid, P``_wready, P``_wlast, P``_bvalid, P``_bready;

`define MEMORY(P, N) \
    if (N < `AXI_PORTS) begin : memory``N \
        axi_memory_port #(.PORT(N)) port ( \
            .aclk, .aresetn, \
            .araddr(P``_araddr), .arlen(P``_arlen), .arsize(P``_arsize), .arburst(P``_arburst), \
            .arid(P``_arid), .arcache(P``_arcache), .arprot(P``_arprot), \
            .arvalid(P``_arvalid), .arready(P``_arready), \
            .rdata(P``_rdata), .rresp(P``_rresp), .rlast(P``_rlast), .rid(P``_rid), \
            .rvalid(P``_rvalid), .rready(P``_rready), \
            .awaddr(P``_awaddr), .awlen(P``_awlen), .awsize(P``_awsize), .awburst(P``_awburst), \
            .awid(P``_awid), .awcache(P``_awcache), .awprot(P``_awprot), \
            .awvalid(P``_awvalid), .awready(P``_awready), \
            .wdata(P``_wdata), .wstrb(P``_wstrb), .wlast(P``_wlast), \
            .wvalid(P``_wvalid), .wready(P``_wready), \
            .bresp(P``_bresp), .bid(P``_bid), .bvalid(P``_bvalid), .bready(P``_bready), \
            .fault(faults[N])); \
    end

module harness (
    output logic        aclk,
    input  wire         resetn,             // low until Python raises it
    input  wire [63:0]  wake_at,
    output logic [63:0] cycle,              // clock edges so far
    output logic        wake,               // changes at each event
    output wire         fault,
    output wire         interrupt,
    // register accesses: a change of `access` starts one, `accessed` follows when it is done
    input  wire         access,
    input  wire         access_write,
    input  wire [11:0]  access_address,
    input  wire [31:0]  access_value,       // to write
    output logic        accessed,
    output logic [31:0] accessed_value,     // as read
    output logic [1:0]  accessed_response
);
    initial begin
        aclk = 0;
        forever #1 aclk = !aclk;
    end

    logic aresetn, interrupted, faulted;
    initial {aresetn, cycle, wake, interrupted, faulted} = 0;    // separate from the clock: 2.3 times as fast
    wire [3:0] faults;
    assign fault = |faults;

    always @(posedge aclk) begin
        aresetn <= resetn;
        cycle <= cycle + 1;
        interrupted <= interrupt;
        faulted <= fault;
        if ((interrupt && !interrupted) || (fault && !faulted) || cycle == wake_at) wake <= !wake;
    end

    // The master of the accelerator's AXI4-Lite port: one access at a time.
    logic [11:0] s_axi_awaddr, s_axi_araddr;
    logic [31:0] s_axi_wdata;
    wire  [31:0] s_axi_rdata;
    wire  [3:0]  s_axi_wstrb = 4'hf;
    wire  [2:0]  s_axi_awprot = 0, s_axi_arprot = 0;
    wire  [1:0]  s_axi_bresp, s_axi_rresp;
    logic        s_axi_awvalid, s_axi_wvalid, s_axi_bready, s_axi_arvalid, s_axi_rready;
    wire         s_axi_awready, s_axi_wready, s_axi_bvalid, s_axi_arready, s_axi_rvalid;
    logic        accessing;                 // the value of `access` in service
    always @(posedge aclk) begin
        if (!aresetn) begin
            {s_axi_awvalid, s_axi_wvalid, s_axi_bready, s_axi_arvalid, s_axi_rready} <= 0;
            accessing <= access;
            accessed <= access;
        end else begin
            if (s_axi_awready) s_axi_awvalid <= 0;
            if (s_axi_wready) s_axi_wvalid <= 0;
            if (s_axi_arready) s_axi_arvalid <= 0;
            if (s_axi_bvalid && s_axi_bready) begin
                s_axi_bready <= 0;
                accessed <= accessing;
                accessed_response <= s_axi_bresp;
            end
            if (s_axi_rvalid && s_axi_rready) begin
                s_axi_rready <= 0;
                accessed <= accessing;
                accessed_response <= s_axi_rresp;
                accessed_value <= s_axi_rdata;
            end
            if (access != accessing) begin
                accessing <= access;
                s_axi_awaddr <= access_address;
                s_axi_araddr <= access_address;
                s_axi_wdata <= access_value;
                {s_axi_awvalid, s_axi_wvalid, s_axi_bready} <= {3{access_write}};
                {s_axi_arvalid, s_axi_rready} <= {2{!access_write}};
            end
        end
    end

    `MASTER(m_axi)
    `MASTER(m_axi1)
    `MASTER(m_axi2)
    `MASTER(m_axi3)

    vta dut (.*);                           // by name: the accelerator has the masters it was built with

    `MEMORY(m_axi, 0)
    `MEMORY(m_axi1, 1)
    `MEMORY(m_axi2, 2)
    `MEMORY(m_axi3, 3)
endmodule
