// Types only: libpcap is opened when first needed (PacketStatistics/PcapLibrary.swift), so there is no link line.
#include <pcap/pcap.h>
