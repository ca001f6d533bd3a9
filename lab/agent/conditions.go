package agent

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"runtimelab/lab"
)

// conditions reads what influences the speed of the CPUs (the kernel's
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

// turbo returns whether CPUs may exceed their base frequency: "on", "off", or "" if unknown. The
// flag of Intel's driver disables turbo; the flag of all other drivers enables it.
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

// power returns "battery" or "mains", or "" if the machine reports no power supply. It returns
// "battery" if a battery is discharging, or if there is one and no mains are online.
func (m Machine) power() string {
	supplies, err := fs.Glob(m.root, "sys/class/power_supply/*")
	if err != nil {
		return "" // the pattern is invalid
	}
	battery, mains := false, false
	for _, dir := range supplies {
		switch m.readText(path.Join(dir, "type")) {
		case "Mains", "USB":
			mains = mains || m.readText(path.Join(dir, "online")) == "1"
		case "Battery":
			if m.readText(path.Join(dir, "scope")) == "Device" {
				continue // the battery of a mouse or another device
			}
			battery = true
			if m.readText(path.Join(dir, "status")) == "Discharging" {
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

// hypervisors maps the maker that a virtual machine's firmware names to the hypervisor.
var hypervisors = []struct{ maker, name string }{
	{"QEMU", "KVM"},
	{"KVM", "KVM"},
	{"Google", "KVM"},
	{"Amazon EC2", "Nitro"},
	{"Microsoft", "Hyper-V"},
	{"VMware", "VMware"},
	{"innotek", "VirtualBox"},
	{"Xen", "Xen"},
	{"Apple", "Apple Virtualization"},
	{"Parallels", "Parallels"},
}

// virtualisation returns the name of the hypervisor, "none" on bare metal, or "" if unknown.
func (m Machine) virtualisation() string {
	if kind := m.readText("sys/hypervisor/type"); kind != "" {
		return kind
	}
	if strings.Contains(strings.ToLower(m.readText("proc/sys/kernel/osrelease")), "microsoft") {
		return "WSL2"
	}
	flags, known := m.cpuFlags()
	if known && !slices.Contains(flags, "hypervisor") {
		return "none"
	}
	product := m.readText("sys/class/dmi/id/sys_vendor") + " " + m.readText("sys/class/dmi/id/product_name")
	for _, h := range hypervisors {
		if strings.Contains(product, h.maker) {
			return h.name
		}
	}
	if known {
		return "a hypervisor that does not say its name"
	}
	return "" // arm64 has no such flag
}

// cpuFlags returns the flags of the first CPU. known is false if /proc/cpuinfo has none, as on
// arm64.
func (m Machine) cpuFlags() (flags []string, known bool) {
	for line := range strings.Lines(m.readText("proc/cpuinfo")) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "flags" {
			return strings.Fields(value), true
		}
	}
	return nil, false
}

// mitigations returns the kernel's state of each CPU vulnerability that affects the machine, by
// name.
func (m Machine) mitigations() map[string]string {
	files, err := fs.Glob(m.root, "sys/devices/system/cpu/vulnerabilities/*")
	if err != nil {
		return nil // the pattern is invalid
	}
	all := make(map[string]string)
	for _, file := range files {
		if state := m.readText(file); state != "" && state != "Not affected" {
			all[path.Base(file)] = state
		}
	}
	return all
}
