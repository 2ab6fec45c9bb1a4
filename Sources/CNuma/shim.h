// Types only: libnuma is opened at run time (LinuxSystem/NumaLibrary.swift), so there is no link line.
#include <numa.h>
#include <numaif.h>
