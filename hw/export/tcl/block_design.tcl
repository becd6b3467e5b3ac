# Stage 2: the project and its block design: processing system, VTA, interrupt controller, interconnect.

source [file join [file dirname [file normalize [info script]]] common.tcl]

create_project -force $vta(name) [file join $here project] -part $vta(part)
set board_part [lindex [lsort -dictionary [get_board_parts -quiet $vta(board_part)]] end]
if {$board_part ne ""} {
    set_property board_part $board_part [current_project]
}
set_property ip_repo_paths [file join $here ip] [current_project]
update_ip_catalog
create_bd_design $vta(name)

# The processing system: the board's own settings where Vivado knows it, else those of the board table.
set ps [create_bd_cell -type ip -vlnv [latest_ip $vta(ps_cell)] ps]
set automation $vta(ps_automation)
lappend automation apply_board_preset [expr {$board_part ne ""}]
apply_bd_automation -rule xilinx.com:bd_rule:$vta(ps_cell) -config $automation $ps
if {$board_part eq ""} {
    set_property -dict $vta(ps_fallback) $ps
}
set_property -dict $vta(ps_settings) $ps

create_bd_cell -type ip -vlnv $vta(vlnv) vta
create_bd_cell -type ip -vlnv [latest_ip proc_sys_reset] reset
set control [create_bd_cell -type ip -vlnv [latest_ip smartconnect] control]
set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2} $control
set controller [create_bd_cell -type ip -vlnv [latest_ip axi_intc] interrupts]
set_property CONFIG.C_IRQ_CONNECTION 1 $controller

# Registers: from the processor to VTA and to the interrupt controller.
connect_bd_intf_net [get_bd_intf_pins ps/$vta(ps_control)] [get_bd_intf_pins control/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins control/M00_AXI] [get_bd_intf_pins vta/s_axi]
connect_bd_intf_net [get_bd_intf_pins control/M01_AXI] [get_bd_intf_pins interrupts/s_axi]

# The interrupt goes through a controller, because that is where PYNQ looks for it.
connect_bd_net [get_bd_pins vta/interrupt] [get_bd_pins interrupts/intr]
connect_bd_net [get_bd_pins interrupts/irq] [get_bd_pins ps/$vta(ps_interrupt)]

# DRAM: each AXI master of VTA has a port of the processing system to itself, behind a register slice: the ports' places
# are fixed, so that the way there takes a cycle of its own.
set clocked [list ps/$vta(ps_control_clock) reset/slowest_sync_clk control/aclk vta/aclk interrupts/s_axi_aclk]
set connected {control/aresetn}
foreach {master slave clock} $vta(memory_ports) {
    create_bd_cell -type ip -vlnv [latest_ip axi_register_slice] slice_$master
    set bridge [create_bd_cell -type ip -vlnv [latest_ip $vta(memory_bridge)] memory_$master]
    if {$vta(memory_bridge) eq "smartconnect"} {
        set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} $bridge
        lassign {S00_AXI M00_AXI} from to
    } else {
        # translation mode 0: VTA has no bursts of more than 16 beats, so none is split
        set_property -dict {CONFIG.SI_PROTOCOL AXI4 CONFIG.MI_PROTOCOL AXI3 CONFIG.TRANSLATION_MODE 0} $bridge
        lassign {S_AXI M_AXI} from to
    }
    connect_bd_intf_net [get_bd_intf_pins vta/$master] [get_bd_intf_pins slice_$master/S_AXI]
    connect_bd_intf_net [get_bd_intf_pins slice_$master/M_AXI] [get_bd_intf_pins $bridge/$from]
    connect_bd_intf_net [get_bd_intf_pins $bridge/$to] [get_bd_intf_pins ps/$slave]
    lappend clocked slice_$master/aclk $bridge/aclk ps/$clock
    lappend connected slice_$master/aresetn $bridge/aresetn
}

# One clock, one reset.
foreach pin $clocked {
    connect_bd_net [get_bd_pins ps/$vta(ps_clock)] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins ps/$vta(ps_reset)] [get_bd_pins reset/ext_reset_in]
foreach pin $connected {
    connect_bd_net [get_bd_pins reset/interconnect_aresetn] [get_bd_pins $pin]
}
foreach pin {vta/aresetn interrupts/s_axi_aresetn} {
    connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins $pin]
}

# Addresses: DRAM from 0 for VTA, and nothing else; the registers where the board table puts them.
set processor [get_bd_addr_spaces ps/Data]
foreach {pin base range} [list vta/s_axi $vta(control_base) $vta(control_range) \
                               interrupts/s_axi $vta(interrupt_base) 0x10000] {
    assign_bd_address -offset $base -range $range -target_address_space $processor \
        [get_bd_addr_segs -of_objects [get_bd_intf_pins $pin]]
}
foreach {master slave clock} $vta(memory_ports) {
    set space [get_bd_addr_spaces vta/$master]
    foreach segment [get_bd_addr_segs -of_objects [get_bd_intf_pins ps/$slave]] {
        if {[string match *DDR_LOW* $segment]} {
            assign_bd_address -offset 0x0 -range $vta(dram_range) -target_address_space $space $segment
        } else {
            exclude_bd_addr_seg -target_address_space $space $segment
        }
    }
}

validate_bd_design
save_bd_design
set design [get_files $vta(name).bd]
add_files -norecurse [make_wrapper -files $design -top]
set_property top $vta(name)_wrapper [current_fileset]
generate_target all $design
close_project
