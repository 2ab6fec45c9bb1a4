// Types only: libpfm4 is opened at run time (LinuxSystem/PfmLibrary.swift), so there is no link line.
#include <perfmon/pfmlib_perf_event.h>
