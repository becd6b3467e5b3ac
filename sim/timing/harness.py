"""A wrapper that puts every port of the accelerator behind registers, so that it can be placed with five pins.

Without it place and route would need a pin for each of several hundred ports, and paths from and to ports would count,
whose other half is outside. With it every path starts and ends in a register, as in a system with an interconnect.
"""

from vta.hw.export.ipxact import verilog_ports

TOP = "harness"
CLOCK = "aclk"
INSTANCE = "vta"


def harness(verilog):
    """Verilog of the module TOP around the module `vta` of the text `verilog`.

    `scan_in` shifts into a chain with a bit for each input of `vta`, from where `hold` copies it to registers that
    drive the inputs: a constant or a rarely changing input cannot be optimised away. Outputs are registered, `load`
    copies them to a chain that shifts to `scan_out`.
    """
    ports = [port for port in verilog_ports(verilog) if port.name != CLOCK]
    connections, inputs, outputs = [f".{CLOCK}({CLOCK})"], 0, 0
    for port in ports:
        if port.direction == "in":
            connections.append(f".{port.name}(stimulus[{inputs} +: {port.width}])")
            inputs += port.width
        else:
            connections.append(f".{port.name}(response[{outputs} +: {port.width}])")
            outputs += port.width
    joined = ",\n    ".join(connections)
    return f"""module {TOP}(input {CLOCK}, input scan_in, input hold, input load, output reg scan_out);
  reg [{inputs - 1}:0] entry, stimulus;
  wire [{outputs - 1}:0] response;
  reg [{outputs - 1}:0] captured, leaving;
  reg hold_q, load_q;
  {INSTANCE} {INSTANCE}(
    {joined});
  always @(posedge {CLOCK}) begin
    hold_q <= hold;
    load_q <= load;
    entry <= {{entry[{inputs - 2}:0], scan_in}};
    if (!hold_q) stimulus <= entry;
    captured <= response;
    leaving <= load_q ? captured : {{1'b0, leaving[{outputs - 1}:1]}};
    scan_out <= leaving[0];
  end
endmodule
"""
