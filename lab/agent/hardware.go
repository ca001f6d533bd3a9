package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// hardware is the CPU model for people, and what else tells the machine from others of that model.
// All of it is the same after a reboot, and none of it names an owner: serial numbers are left out,
// and so are microcode and frequencies, which updates, settings and the moment change.
func (m Machine) hardware() (model string, facts []string) {
	cpus := m.cpuinfo()
	each := func(format string, names ...string) []string {
		return distinct(cpus, func(c cpuInfo) string { return c.described(format, names...) })
	}
	if model = armModel(cpus); model != "" {
		// The kernel computes BogoMIPS from the frequency of the timer, which is the platform's.
		facts = append(each("BogoMIPS %s", "BogoMIPS"), each("features %s", "Features")...)
	} else if names := each("%s", "model name"); len(names) > 0 {
		model = names[0]
		facts = each("%s family %s model %s stepping %s", "vendor_id", "cpu family", "model", "stepping")
	}
	for _, product := range []string{
		m.readText("sys/class/dmi/id/sys_vendor") + " " + m.readText("sys/class/dmi/id/product_name"),
		m.boardModel(), // a single board has no such firmware
	} {
		if product = strings.TrimSpace(product); product != "" {
			facts = append(facts, product)
		}
	}
	return model, facts
}

// cpuInfo is what /proc/cpuinfo says of one CPU, by the names that it uses there.
type cpuInfo map[string]string

// cpuinfo is one entry for each CPU. Lines of the whole machine, as some kernels for arm64 add,
// are in none.
func (m Machine) cpuinfo() (cpus []cpuInfo) {
	for paragraph := range strings.SplitSeq(m.readText("proc/cpuinfo"), "\n\n") {
		c := cpuInfo{}
		for line := range strings.Lines(paragraph) {
			name, value, _ := strings.Cut(line, ":")
			c[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		if c["processor"] != "" {
			cpus = append(cpus, c)
		}
	}
	return cpus
}

// boardModel is the line Model that kernels of single boards put at the end: "Raspberry Pi 4 Model
// B Rev 1.4". The serial number beside it is left alone.
func (m Machine) boardModel() string {
	for line := range strings.Lines(m.readText("proc/cpuinfo")) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "Model" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// armModel names the CPUs of an arm64 machine by maker and part, as in MIDR_EL1 (Arm Architecture
// Reference Manual), with variant and revision; it is empty on other machines. The kernel tells
// these numbers only, or a model name such as "ARMv8 Processor" that many have. A machine of unlike
// cores names each kind with its number.
func armModel(cpus []cpuInfo) string {
	kind := func(c cpuInfo) string {
		maker, part := c["CPU implementer"], c["CPU part"]
		if maker == "" || part == "" {
			return ""
		}
		number := fmt.Sprintf("%s/%s r%sp%s", maker, part, decimal(c["CPU variant"]), c["CPU revision"])
		if name := armNames[maker+"/"+part]; name != "" {
			return name + " (" + number + ")"
		}
		return number
	}
	kinds := distinct(cpus, kind)
	if len(kinds) == 1 {
		return kinds[0]
	}
	for i, k := range kinds {
		n := 0
		for _, c := range cpus {
			if kind(c) == k {
				n++
			}
		}
		kinds[i] = fmt.Sprintf("%d x %s", n, k)
	}
	return strings.Join(kinds, " + ")
}

// decimal writes a number in decimal that cpuinfo has as 0x1.
func decimal(text string) string {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return text
	}
	return strconv.FormatInt(n, 10)
}

// distinct are the values that CPUs have, in their order, each once and none empty.
func distinct(cpus []cpuInfo, of func(cpuInfo) string) (values []string) {
	for _, c := range cpus {
		if v := of(c); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// described fills a format in with what is said under some names, and is empty where one of that is.
func (c cpuInfo) described(format string, names ...string) string {
	filled := make([]any, len(names))
	for i, name := range names {
		if c[name] == "" {
			return ""
		}
		filled[i] = c[name]
	}
	return fmt.Sprintf(format, filled...)
}

// armNames are the common parts, by maker and part (arch/arm64/include/asm/cputype.h of Linux). One
// that is missing goes by its numbers.
var armNames = map[string]string{
	"0x41/0xd03": "Arm Cortex-A53",
	"0x41/0xd05": "Arm Cortex-A55",
	"0x41/0xd07": "Arm Cortex-A57",
	"0x41/0xd08": "Arm Cortex-A72",
	"0x41/0xd09": "Arm Cortex-A73",
	"0x41/0xd0a": "Arm Cortex-A75",
	"0x41/0xd0b": "Arm Cortex-A76",
	"0x41/0xd0c": "Arm Neoverse-N1",
	"0x41/0xd40": "Arm Neoverse-V1",
	"0x41/0xd41": "Arm Cortex-A78",
	"0x41/0xd44": "Arm Cortex-X1",
	"0x41/0xd49": "Arm Neoverse-N2",
	"0x41/0xd4f": "Arm Neoverse-V2",
	"0x41/0xd84": "Arm Neoverse-V3",
	"0x51/0x001": "Qualcomm Oryon",
	"0x61/0x000": "Apple, in a virtual machine",
	"0x61/0x022": "Apple M1 Icestorm",
	"0x61/0x023": "Apple M1 Firestorm",
	"0x61/0x032": "Apple M2 Blizzard",
	"0x61/0x033": "Apple M2 Avalanche",
	"0x6d/0xd49": "Microsoft Azure Cobalt 100",
	"0xc0/0xac3": "Ampere-1",
	"0xc0/0xac4": "Ampere-1a",
}
