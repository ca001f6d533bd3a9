package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// hardwareOf returns what the agent reports about a machine with a recorded /proc/cpuinfo, and with
// a product name in its firmware unless vendor is empty.
func hardwareOf(t *testing.T, cpuinfo, vendor, product string) (model string, facts []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "cpuinfo", cpuinfo))
	if err != nil {
		t.Fatal(err)
	}
	root := twoCores()
	root["proc/cpuinfo"] = &fstest.MapFile{Data: text}
	if vendor != "" {
		root["sys/class/dmi/id/sys_vendor"] = &fstest.MapFile{Data: []byte(vendor + "\n")}
		root["sys/class/dmi/id/product_name"] = &fstest.MapFile{Data: []byte(product + "\n")}
	}
	topology, err := machine(root).Topology()
	if err != nil {
		t.Fatal(err)
	}
	return topology.CPUModel, topology.Hardware
}

func TestCPUModels(t *testing.T) {
	for cpuinfo, want := range map[string]string{
		"graviton2":         "Arm Neoverse-N1 (0x41/0xd0c r3p1)",
		"altra":             "Arm Neoverse-N1 (0x41/0xd0c r3p1)",
		"graviton3":         "Arm Neoverse-V1 (0x41/0xd40 r1p1)",
		"apple-m1-vm":       "Apple, in a virtual machine (0x61/0x000 r0p0)",
		"asahi-m1":          "4 x Apple M1 Icestorm (0x61/0x022 r1p1) + 4 x Apple M1 Firestorm (0x61/0x023 r1p1)",
		"raspberry-pi-4":    "Arm Cortex-A72 (0x41/0xd08 r0p3)",
		"raspberry-pi-5":    "Arm Cortex-A76 (0x41/0xd0b r4p1)",
		"with-a-model-name": "0x4e/0x004 r0p0", // "ARMv8 Processor" is not a model
		"epyc-vm":           "AMD EPYC",
	} {
		if got, _ := hardwareOf(t, cpuinfo, "", ""); got != want {
			t.Errorf("%s: %q, want %q", cpuinfo, got, want)
		}
	}
}

func TestHardwareDistinguishesMachines(t *testing.T) {
	seen := map[string]string{}
	for _, m := range []struct{ cpuinfo, vendor, product string }{
		{"graviton2", "Amazon EC2", "c6g.large"},
		{"graviton2", "Amazon EC2", "m6g.large"},
		{"graviton3", "Amazon EC2", "c7g.large"},
		{"graviton2", "", ""},
		{"altra", "", ""}, // same part, variant and revision as graviton2
		{"apple-m1-vm", "", ""},
		{"apple-m2-vm", "", ""},
		{"asahi-m1", "", ""},
		{"raspberry-pi-4", "", ""},
		{"raspberry-pi-5", "", ""},
		{"with-a-model-name", "", ""},
		{"epyc-vm", "", ""},
		{"epyc-vm-of-another-family", "", ""},
		{"epyc-vm", "QEMU", "Standard PC (Q35 + ICH9, 2009)"},
	} {
		model, facts := hardwareOf(t, m.cpuinfo, m.vendor, m.product)
		name := m.cpuinfo + " " + m.product
		if len(facts) == 0 {
			t.Errorf("%s: no facts besides its model %q", name, model)
		}
		all := model + "|" + strings.Join(facts, "|")
		if other, taken := seen[all]; taken {
			t.Errorf("%s and %s are not distinguished: %s", name, other, all)
		}
		seen[all] = name
		// The serial number and revision of a board, and the microcode, which is updated.
		for _, private := range []string{"10000000", "c03111", "0x1000065"} {
			if strings.Contains(all, private) {
				t.Errorf("%s: %q is in %s", name, private, all)
			}
		}
	}
}

func TestHardwareSurvivesAReboot(t *testing.T) {
	for _, pair := range [][2]string{
		{"epyc-vm", "epyc-vm-another-boot"}, // frequency, BogoMIPS and microcode differ
		{"raspberry-pi-4", "raspberry-pi-4-other-serial"},
	} {
		model, facts := hardwareOf(t, pair[0], "QEMU", "a product")
		again, after := hardwareOf(t, pair[1], "QEMU", "a product")
		if model != again || !slices.Equal(facts, after) {
			t.Errorf("%s: %q %q became %q %q", pair[0], model, facts, again, after)
		}
	}
}
