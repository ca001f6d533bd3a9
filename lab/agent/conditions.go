package agent

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"runtimelab/lab"
)

// conditions reads what sets the speed of the CPUs (the kernel's
// Documentation/ABI/testing/sysfs-devices-system-cpu and sysfs-class-power).
func (m Machine) conditions(cpus []lab.CPU) lab.Conditions {
	c := lab.Conditions{
		SMT:            m.readText("sys/devices/system/cpu/smt/control"),
		Turbo:          m.turbo(),
		Power:          m.power(),
		Virtualisation: m.virtualisation(),
		Mitigations:    m.mitigations(),
	}
	for _, cpu := range cpus {
		governor := m.readText(fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu.ID))
		if governor != "" && !slices.Contains(c.Governors, governor) {
			c.Governors = append(c.Governors, governor)
		}
	}
	return c
}

// turbo is whether CPUs may run faster than their base frequency: Intel's driver
// says whether they may not, all others whether they may.
func (m Machine) turbo() string {
	switch m.readText("sys/devices/system/cpu/intel_pstate/no_turbo") {
	case "0":
		return "on"
	case "1":
		return "off"
	}
	switch m.readText("sys/devices/system/cpu/cpufreq/boost") {
	case "1":
		return "on"
	case "0":
		return "off"
	}
	return ""
}

// power is what the machine runs on: its battery where it has one that is being
// emptied, or one and no mains that are on.
func (m Machine) power() string {
	supplies, err := fs.Glob(m.root, "sys/class/power_supply/*")
	if err != nil {
		return "" // of a pattern that is none
	}
	battery, mains := false, false
	for _, dir := range supplies {
		switch m.readText(path.Join(dir, "type")) {
		case "Mains", "USB":
			mains = mains || m.readText(path.Join(dir, "online")) == "1"
		case "Battery":
			// That of a mouse says that it is the device's.
			battery = battery || m.readText(path.Join(dir, "scope")) != "Device"
			if m.readText(path.Join(dir, "status")) == "Discharging" &&
				m.readText(path.Join(dir, "scope")) != "Device" {
				return "battery"
			}
		}
	}
	switch {
	case mains:
		return "mains"
	case battery:
		return "battery"
	}
	return ""
}

// hypervisors are the makers that a virtual machine's firmware names.
var hypervisors = []struct{ maker, name string }{
	{"QEMU", "KVM"},
	{"KVM", "KVM"},
	{"Google", "KVM"},
	{"Amazon EC2", "Nitro"},
	{
		"Microsoft",
		"Hyper-V",
	},
	{"VMware", "VMware"},
	{"innotek", "VirtualBox"},
	{"Xen", "Xen"},
	{"Apple", "Apple Virtualization"},
	{"Parallels", "Parallels"},
}

// virtualisation is under whose hypervisor the machine runs.
func (m Machine) virtualisation() string {
	if kind := m.readText("sys/hypervisor/type"); kind != "" {
		return kind
	}
	if strings.Contains(strings.ToLower(m.readText("proc/sys/kernel/osrelease")), "microsoft") {
		return "WSL2"
	}
	flags, told := m.cpuFlags()
	if told && !slices.Contains(flags, "hypervisor") {
		return "none"
	}
	made := m.readText("sys/class/dmi/id/sys_vendor") + " " + m.readText("sys/class/dmi/id/product_name")
	for _, h := range hypervisors {
		if strings.Contains(made, h.maker) {
			return h.name
		}
	}
	if told {
		return "a hypervisor that does not say its name"
	}
	return "" // arm64 has no such flag
}

// cpuFlags are the first CPU's; told is false where the machine does not tell.
func (m Machine) cpuFlags() (flags []string, told bool) {
	for line := range strings.Lines(m.readText("proc/cpuinfo")) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			return strings.Fields(value), true
		}
	}
	return nil, false
}

func (m Machine) mitigations() map[string]string {
	files, err := fs.Glob(m.root, "sys/devices/system/cpu/vulnerabilities/*")
	if err != nil {
		return nil // of a pattern that is none
	}
	all := make(map[string]string)
	for _, file := range files {
		if state := m.readText(file); state != "" && state != "Not affected" {
			all[path.Base(file)] = state
		}
	}
	return all
}
