# A stand-in for Vivado's Tcl: knows the commands our stages use, the blocks they place and those blocks' pins, and
# stops at anything else. The test's driver sets `::block($ip)` to {pins} {interfaces} {segments by interface}
# before; pins and interfaces are "name role" pairs (role: clock, reset, in, out, master, slave).

array set ::cell {}          ;# cell -> IP, or what `widen` made of it
array set ::ip {}            ;# cell -> IP
array set ::settings {}      ;# cell -> settings made
array set ::driven {}        ;# pin -> driver
array set ::joined {}        ;# interface pin -> its partner
array set ::protocol {}      ;# slaves of the processing system that are not AXI4 -> their protocol; the test sets it
array set ::mapped {}        ;# space,segment -> {offset range}, or excluded
set ::log {}
# of Vivado's implementation strategies (UG904), the ones that it is reasonable to use
set ::strategies {Performance_Explore Performance_ExplorePostRoutePhysOpt Performance_ExtraTimingOpt}

proc option {arguments name} { return [lindex $arguments [expr {[lsearch -exact $arguments $name] + 1}]] }
proc must {condition message} { if {!$condition} { error "fake Vivado: $message" } }
proc role {path kind} {
    lassign [split $path /] cell pin
    must [info exists ::cell($cell)] "no cell $cell in $path"
    set index [expr {$kind eq "pin" ? 0 : 1}]
    set known [lindex $::block($::cell($cell)) $index]
    must [dict exists $known $pin] "$::cell($cell) has no $kind called $pin (wanted: $path)"
    return [dict get $known $pin]
}

proc create_project {args} { lappend ::log create_project }
proc open_project {file} { lappend ::log open_project }
proc close_project {} {}
proc current_project {} { return project }
proc current_fileset {} { return sources_1 }
proc get_board_parts {args} { return $::board_parts }
proc update_ip_catalog {} {}
proc create_bd_design {name} {}
proc get_ipdefs {pattern} {
    set found {}
    foreach ip [array names ::block] {
        if {[string match $pattern $ip]} { lappend found $ip }
    }
    return $found
}
proc create_bd_cell {args} {
    set ip [option $args -vlnv]
    must [info exists ::block($ip)] "no IP $ip"
    set ::cell([lindex $args end]) $ip
    set ::ip([lindex $args end]) $ip
    return [lindex $args end]
}
proc apply_bd_automation {args} { lappend ::log "automation [option $args -config]" }
proc set_property {args} {
    set pairs [expr {[lindex $args 0] eq "-dict" ? [lindex $args 1] : [lrange $args 0 1]}]
    must [expr {[llength $pairs] % 2 == 0}] "odd list of properties: $pairs"
    set object [lindex $args end]
    foreach {name value} $pairs { lappend ::settings($object) $name $value }
    if {$name eq "strategy"} { must [expr {$value in $::strategies && $object eq "impl_1"}] "strategy $value of $object" }
    if {[info exists ::cell($object)] && [string match *:smartconnect:* $::cell($object)]} { widen $object }
}
# A SmartConnect has as many interfaces as it is told.
proc widen {cell} {
    set interfaces {}
    foreach {key kind role} {CONFIG.NUM_SI S slave CONFIG.NUM_MI M master} {
        for {set n 0} {$n < [dict get $::settings($cell) $key]} {incr n} {
            lappend interfaces [format %s%02d_AXI $kind $n] $role
        }
    }
    set ::block($cell) [list [lindex $::block($::cell($cell)) 0] $interfaces {}]
    set ::cell($cell) $cell
}
proc get_bd_pins {path} { role $path pin; return $path }
proc get_bd_intf_pins {path} { role $path interface; return $path }
proc connect_bd_net {driver pin} {
    must [expr {[role $driver pin] eq "out" && [role $pin pin] ne "out"}] "net from $driver to $pin"
    must [expr {![info exists ::driven($pin)]}] "$pin is driven twice"
    set ::driven($pin) $driver
}
proc connect_bd_intf_net {a b} {
    must [expr {[role $a interface] eq "master" && [role $b interface] eq "slave"}] "interfaces $a to $b"
    foreach {pin other} [list $a $b $b $a] {
        must [expr {![info exists ::joined($pin)]}] "$pin is connected twice"
        set ::joined($pin) $other
    }
}
proc get_bd_addr_spaces {path} { return $path }
proc get_bd_addr_segs {of path} {
    lassign [split $path /] cell pin
    set segments {}
    foreach name [dict get [lindex $::block($::cell($cell)) 2] $pin] { lappend segments $path/$name }
    return $segments
}
proc assign_bd_address {args} {
    set offset [option $args -offset]
    set range [option $args -range]
    must [expr {$range > 0 && ($range & ($range - 1)) == 0 && $offset % $range == 0}] "address $offset range $range"
    set ::mapped([option $args -target_address_space],[lindex $args end]) [list $offset $range]
}
proc exclude_bd_addr_seg {args} { set ::mapped([option $args -target_address_space],[lindex $args end]) excluded }
proc validate_bd_design {} {
    foreach {cell ip} [array get ::cell] {
        lassign $::block($ip) pins interfaces
        foreach {pin role} $pins {
            if {$role in {clock reset in} && ![info exists ::driven($cell/$pin)]} { error "$cell/$pin is open" }
        }
        foreach {pin role} $interfaces {
            if {![info exists ::joined($cell/$pin)]} { error "$cell/$pin is not connected" }
        }
    }
    check_protocols
}
# An AXI3 slave needs a master that speaks AXI3; only a SmartConnect or a converter that is told so does. A converter
# that does not split bursts (mode 0) needs masters whose bursts are short enough.
proc check_protocols {} {
    foreach {pin wanted} [array get ::protocol] {
        if {![info exists ::joined($pin)]} { continue }
        set cell [lindex [split $::joined($pin) /] 0]
        set ip $::ip($cell)
        if {[string match *:smartconnect:* $ip]} { continue }
        must [string match *:axi_protocol_converter:* $ip] "$wanted slave $pin behind $ip"
        set settings $::settings($cell)
        must [expr {[dict get $settings CONFIG.SI_PROTOCOL] eq "AXI4"
                    && [dict get $settings CONFIG.MI_PROTOCOL] eq $wanted}] "$cell converts $settings"
        must [expr {[dict get $settings CONFIG.TRANSLATION_MODE] == 2 || $::max_burst <= 16}] \
            "$cell passes bursts of $::max_burst beats on to $wanted"
    }
}
proc save_bd_design {} {}
proc get_files {name} { return $name }
proc add_files {args} {}
proc make_wrapper {args} { return wrapper.v }
proc generate_target {what file} { lappend ::log block_design }

proc reset_runs {run} {}
proc get_param {name} { return 2 }
proc launch_runs {run args} { lappend ::log "$run $args" }
proc wait_on_runs {run} {}
proc get_runs {run} { return $run }
proc open_run {run} {}
proc version {args} { return 2022.1 }
proc get_property {name object} {
    return [dict get [list PROGRESS $::progress STATUS "route_design ERROR" DIRECTORY $::run_directory \
        STATS.WNS 0.123 STATS.WHS 0.045] $name]
}
foreach report {report_utilization report_timing_summary write_hw_platform} {
    proc $report {args} { close [open [lindex $args end] w] }
}

namespace eval ipx {
    foreach command {create_xgui_files update_checksums check_integrity save_core} {
        proc $command {core} { lappend ::log ipx::[lindex [info level 0] 0] }
    }
    proc open_core {file} { must [file exists $file] "no $file"; return core }
}
