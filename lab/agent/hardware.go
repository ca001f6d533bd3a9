package agent

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// hardware returns the CPU model for people to read, and facts that distinguish the machine from
// others of that model. All of them survive a reboot and none identifies an owner: serial numbers
// are left out. So are microcode and frequencies, which updates, settings and load change.
func (m Machine) hardware() (model string, facts []string) {
	cpus := m.cpuInfos()
	each := func(layout string, names ...string) []string {
		return distinct(cpus, func(c cpuInfo) string { return c.format(layout, names...) })
	}
	if model = armModel(cpus); model != "" {
		// The kernel computes BogoMIPS from the frequency of the timer, which the platform determines.
		facts = append(each("BogoMIPS %s", "BogoMIPS"), each("features %s", "Features")...)
	} else if names := each("%s", "model name"); len(names) > 0 {
		model = names[0]
		facts = each("%s family %s model %s stepping %s", "vendor_id", "cpu family", "model", "stepping")
	}
	for _, product := range []string{
		m.readText("sys/class/dmi/id/sys_vendor") + " " + m.readText("sys/class/dmi/id/product_name"),
		m.boardModel(), // single-board computers have no DMI
	} {
		if product = strings.TrimSpace(product); product != "" {
			facts = append(facts, product)
		}
	}
	return model, facts
}

// cpuInfo holds the fields that /proc/cpuinfo has for one CPU, by their names there.
type cpuInfo map[string]string

// cpuInfos returns one entry for each CPU. Lines about the whole machine, as some kernels for arm64
// add, are in none.
func (m Machine) cpuInfos() (cpus []cpuInfo) {
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

// boardModel returns the line Model that kernels of single-board computers append: "Raspberry Pi 4
// Model B Rev 1.4". It leaves the serial number next to it out.
func (m Machine) boardModel() string {
	for line := range strings.Lines(m.readText("proc/cpuinfo")) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "Model" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// armModel returns the names of an arm64 machine's CPUs by maker and part, as in MIDR_EL1 (Arm
// Architecture Reference Manual), with variant and revision. It returns "" on other machines. The
// kernel reports these numbers only, or a model name such as "ARMv8 Processor" that many CPUs
// share. If cores differ, each kind is named with its count.
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

// decimal converts a number that cpuinfo writes as 0x1 to decimal.
func decimal(text string) string {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return text
	}
	return strconv.FormatInt(n, 10)
}

// distinct returns the non-empty values of the CPUs, in their order, each once.
func distinct(cpus []cpuInfo, value func(cpuInfo) string) (values []string) {
	for _, c := range cpus {
		if v := value(c); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// format formats the fields with these names by layout. It returns "" if one of them is missing.
func (c cpuInfo) format(layout string, names ...string) string {
	filled := make([]any, len(names))
	for i, name := range names {
		if c[name] == "" {
			return ""
		}
		filled[i] = c[name]
	}
	return fmt.Sprintf(layout, filled...)
}

// armNames holds the names of common parts by maker and part (arch/arm64/include/asm/cputype.h of
// Linux). Other parts go by their numbers.
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
