"""A small design whose longest paths are known by hand, in the form in which Amaranth's Verilog comes."""

VERILOG = r"""module \vta.core (clk, a, b, y);
  input clk;
  wire clk;
  input [15:0] a;
  wire [15:0] a;
  input [15:0] b;
  wire [15:0] b;
  output [31:0] y;
  reg [31:0] y;
  reg [15:0] x;
  reg [15:0] z;
  reg [7:0] mem [15:0];
  reg [31:0] product;
  always @(posedge clk)
    x <= a + b;
  always @(posedge clk)
    z <= a ^ b;
  always @(posedge clk)
    product <= x * z;
  always @(posedge clk)
    mem[a[3:0]] <= b[7:0];
  always @(posedge clk)
    y <= product + x + mem[z[3:0]];
endmodule

module vta(aclk, a, b, y);
  input aclk;
  wire aclk;
  input [15:0] a;
  wire [15:0] a;
  input [15:0] b;
  wire [15:0] b;
  output [31:0] y;
  wire [31:0] y;
  \vta.core core (.clk(aclk), .a(a), .b(b), .y(y));
endmodule
"""


def cell(name, kind, source="", parameters=None, outputs=("Q", "O", "P", "CO"), **pins):
    """{name: cell} as in Yosys's JSON; a pin is a bit or a list of bits."""
    pins = {port: bits if isinstance(bits, list) else [bits] for port, bits in pins.items()}
    return {name: {"type": kind, "parameters": parameters or {}, "connections": pins,
                   "attributes": {"src": source} if source else {},
                   "port_directions": {port: "output" if port in outputs else "input" for port in pins}}}


def scope(name, first, last):
    """{name: cell} of the scope of an instance whose module has these lines of vta.v."""
    return {name: {"type": "$scopeinfo", "connections": {}, "port_directions": {},
                   "attributes": {"module_src": f"vta.v:{first}.1-{last}.10"}}}
