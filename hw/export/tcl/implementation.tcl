# Stage 4: placement and routing; leaves reports and timing.txt (worst setup and hold slack in ns).

source [file join [file dirname [file normalize [info script]]] common.tcl]

open_project $project_file
reset_runs impl_1
# after placement and after routing, Vivado copies registers of large fan-out and moves others along their paths
set_property strategy Performance_ExplorePostRoutePhysOpt [get_runs impl_1]
complete_run impl_1
open_run impl_1
report_utilization -file [file join $here utilization.txt]
report_timing_summary -file [file join $here timing_summary.txt]
set run [get_runs impl_1]
set file [open [file join $here timing.txt] w]
puts $file "wns_ns [get_property STATS.WNS $run]"
puts $file "whs_ns [get_property STATS.WHS $run]"
puts $file "vivado [version -short]"
close $file
close_project
