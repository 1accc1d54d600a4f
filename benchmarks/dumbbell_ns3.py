"""The dumbbell of dumbbell.py in ns-3, for an interpreter that has it (`pip install ns3` in a venv of its own).

    python benchmarks/dumbbell_ns3.py SECONDS

prints one line of JSON: link transmissions, processor seconds, bytes that arrived. ns-3 is C++; Python only sets it up.
"""

from __future__ import annotations

import json
import sys
import time

from ns import ns

COUNTER = """
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"
uint64_t netlab_count = 0;
void netlab_sent(ns3::Ptr<const ns3::Packet>) { ++netlab_count; }
void netlab_watch(ns3::NetDeviceContainer devices) {
  for (uint32_t i = 0; i < devices.GetN(); ++i)
    devices.Get(i)->TraceConnectWithoutContext("PhyTxEnd", ns3::MakeCallback(&netlab_sent));
}
"""


def main(seconds: float) -> None:
    ns.cppyy.cppdef(COUNTER)
    ns.Config.SetDefault("ns3::TcpSocket::SegmentSize", ns.UintegerValue(1448))
    nodes = ns.NodeContainer()
    nodes.Create(3)
    link = ns.PointToPointHelper()
    link.SetDeviceAttribute("DataRate", ns.StringValue("10Mbps"))
    link.SetChannelAttribute("Delay", ns.StringValue("5ms"))
    link.SetQueue("ns3::DropTailQueue", "MaxSize", ns.StringValue("100p"))
    first, second = link.Install(nodes.Get(0), nodes.Get(1)), link.Install(nodes.Get(1), nodes.Get(2))
    ns.InternetStackHelper().Install(nodes)
    addresses = ns.Ipv4AddressHelper()
    mask = ns.Ipv4Mask("255.255.255.0")
    addresses.SetBase(ns.Ipv4Address("10.1.1.0"), mask)
    addresses.Assign(first)
    addresses.SetBase(ns.Ipv4Address("10.1.2.0"), mask)
    receiver = addresses.Assign(second).GetAddress(1)
    ns.Ipv4GlobalRoutingHelper.PopulateRoutingTables()
    source = ns.BulkSendHelper("ns3::TcpSocketFactory", ns.InetSocketAddress(receiver, 9).ConvertTo())
    source.SetAttribute("MaxBytes", ns.UintegerValue(0))
    sending = source.Install(nodes.Get(0))
    sending.Start(ns.Seconds(0))
    sending.Stop(ns.Seconds(seconds))
    anybody = ns.InetSocketAddress(ns.Ipv4Address.GetAny(), 9).ConvertTo()
    sink = ns.PacketSinkHelper("ns3::TcpSocketFactory", anybody).Install(nodes.Get(2))
    for devices in (first, second):
        ns.cppyy.gbl.netlab_watch(devices)
    ns.Simulator.Stop(ns.Seconds(seconds))
    began = time.process_time()
    ns.Simulator.Run()
    took = time.process_time() - began
    print(json.dumps([int(ns.cppyy.gbl.netlab_count), took, int(sink.Get(0).GetTotalRx())]))


if __name__ == "__main__":
    main(float(sys.argv[1]))
