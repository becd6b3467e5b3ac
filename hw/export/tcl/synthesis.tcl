# Stage 3: synthesis; leaves utilization_synthesis.txt.

source [file join [file dirname [file normalize [info script]]] common.tcl]

open_project $project_file
reset_runs synth_1
complete_run synth_1
open_run synth_1
report_utilization -file [file join $here utilization_synthesis.txt]
close_project
