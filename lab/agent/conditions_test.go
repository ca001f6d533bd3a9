package agent

import (
	"maps"
	"reflect"
	"testing"
	"testing/fstest"

	"runtimelab/lab"
)

func TestConditions(t *testing.T) {
	const cpu = "sys/devices/system/cpu/"
	const supply = "sys/class/power_supply/"
	for name, c := range map[string]struct {
		files map[string]string
		want  lab.Conditions
	}{
		"a machine that reports nothing": {nil, lab.Conditions{}},
		"a laptop on its battery": {
			map[string]string{
				cpu + "cpu0/cpufreq/scaling_governor": "powersave",
				cpu + "cpu1/cpufreq/scaling_governor": "powersave",
				cpu + "intel_pstate/no_turbo":         "0", cpu + "smt/control": "on",
				supply + "AC/type": "Mains", supply + "AC/online": "0",
				supply + "BAT0/type": "Battery", supply + "BAT0/status": "Discharging",
				"proc/cpuinfo": "flags\t\t: fpu vme",
			},
			lab.Conditions{
				Governors: []string{"powersave"}, Turbo: "on", SMT: "on", Power: "battery",
				Virtualisation: "none",
			},
		},
		"the same, plugged in": {
			map[string]string{
				supply + "AC/type": "Mains", supply + "AC/online": "1",
				supply + "BAT0/type": "Battery", supply + "BAT0/status": "Charging",
				cpu + "intel_pstate/no_turbo": "1",
			},
			lab.Conditions{Power: "mains", Turbo: "off"},
		},
		"a desktop with a mouse": {
			map[string]string{
				supply + "hid/type": "Battery", supply + "hid/scope": "Device",
				supply + "hid/status": "Discharging", cpu + "cpufreq/boost": "1",
			},
			lab.Conditions{Turbo: "on"},
		},
		"a virtual machine": {
			map[string]string{
				"proc/cpuinfo":                        "flags : fpu hypervisor",
				"sys/class/dmi/id/sys_vendor":         "QEMU",
				"sys/class/dmi/id/product_name":       "Standard PC",
				cpu + "vulnerabilities/meltdown":      "Not affected",
				cpu + "vulnerabilities/spectre_v2":    "Mitigation: IBRS",
				cpu + "cpufreq/boost":                 "0",
				cpu + "cpu0/cpufreq/scaling_governor": "performance",
				cpu + "cpu1/cpufreq/scaling_governor": "schedutil",
			},
			lab.Conditions{
				Virtualisation: "KVM", Turbo: "off", Governors: []string{"performance", "schedutil"},
				Mitigations: map[string]string{"spectre_v2": "Mitigation: IBRS"},
			},
		},
		"a virtual machine that does not name its hypervisor": {
			map[string]string{"proc/cpuinfo": "flags : hypervisor"},
			lab.Conditions{Virtualisation: "a hypervisor that does not say its name"},
		},
		"Xen": {map[string]string{"sys/hypervisor/type": "xen"}, lab.Conditions{Virtualisation: "xen"}},
		"WSL2": {
			map[string]string{"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2"},
			lab.Conditions{Virtualisation: "WSL2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range c.files {
				root[path] = &fstest.MapFile{Data: []byte(text + "\n")}
			}
			got := machine(root).conditions([]lab.CPU{{ID: 0}, {ID: 1}})
			if !maps.Equal(got.Mitigations, c.want.Mitigations) {
				t.Errorf("mitigations %v, want %v", got.Mitigations, c.want.Mitigations)
			}
			got.Mitigations, c.want.Mitigations = nil, nil
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestConditionsDoubts(t *testing.T) {
	good := lab.Conditions{Governors: []string{"performance"}, Power: "mains", Turbo: "on"}
	if d := good.Doubts(); len(d) != 0 {
		t.Errorf("doubts about good conditions: %q", d)
	}
	laptop := lab.Conditions{Governors: []string{"powersave"}, Power: "battery"}
	if d := laptop.Doubts(); len(d) != 2 {
		t.Errorf("doubts about a laptop on its battery: %q, want two", d)
	}
}
