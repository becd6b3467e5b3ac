# Stage 1: let Vivado check and seal the IP package that `vta ip` wrote.

source [file join [file dirname [file normalize [info script]]] common.tcl]

create_project -in_memory -part $vta(part)
set core [ipx::open_core [file join $here ip component.xml]]
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
