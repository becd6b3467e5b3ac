# What every stage needs: the settings of this build, and error reporting.

set here [file dirname [file normalize [info script]]]
source [file join $here settings.tcl]
set project_file [file join $here project $vta(name).xpr]

# Stop the stage with one line; Vivado's exit code is then 1.
proc fail {message} {
    puts stderr "vta: $message"
    exit 1
}

# The newest version of an AMD IP in this Vivado's catalog.
proc latest_ip {name} {
    set found [lsort -dictionary [get_ipdefs "xilinx.com:ip:$name:*"]]
    if {[llength $found] == 0} {
        fail "this Vivado has no IP called $name"
    }
    return [lindex $found end]
}

# Run a synthesis or implementation run to its end, or to a step of it.
proc complete_run {run args} {
    launch_runs $run -jobs [get_param general.maxThreads] {*}$args
    wait_on_runs $run
    if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
        fail "$run ended with '[get_property STATUS [get_runs $run]]': see [get_property DIRECTORY [get_runs $run]]"
    }
}
