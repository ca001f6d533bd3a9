package docker

import (
	"testing"

	"runtimelab/lab"
)

func TestACellReservesThePortsOfItsServices(t *testing.T) {
	for _, c := range []struct {
		ports                  []int
		reserved, unprivileged string
	}{
		{[]int{8081, 8080}, "8081,8080", ""},
		{[]int{5432, 80, 443}, "5432,80,443", "80"},
	} {
		var services []lab.Service
		for _, port := range c.ports {
			services = append(services, lab.Service{Port: port})
		}
		got := cellSysctls(services)
		if got["net.ipv4.ip_local_reserved_ports"] != c.reserved ||
			got["net.ipv4.ip_unprivileged_port_start"] != c.unprivileged {
			t.Errorf("ports %v: %v", c.ports, got)
		}
	}
}
