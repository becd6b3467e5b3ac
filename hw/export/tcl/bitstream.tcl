# Stage 5: the bitstream, and beside it the hardware description that PYNQ reads.

source [file join [file dirname [file normalize [info script]]] common.tcl]

open_project $project_file
complete_run impl_1 -to_step write_bitstream
set run_directory [get_property DIRECTORY [get_runs impl_1]]
file copy -force [file join $run_directory $vta(name)_wrapper.bit] [file join $here $vta(bitstream).bit]
# Vivado 2020.2 moved generated files from .srcs to .gen
set handoffs [glob -nocomplain -directory [file join $here project] \
    $vta(name).{gen,srcs}/sources_1/bd/$vta(name)/hw_handoff/$vta(name).hwh]
if {[llength $handoffs] == 0} {
    fail "Vivado left no $vta(name).hwh in [file join $here project]"
}
file copy -force [lindex $handoffs 0] [file join $here $vta(bitstream).hwh]
write_hw_platform -fixed -include_bit -force -file [file join $here $vta(bitstream).xsa]
close_project
