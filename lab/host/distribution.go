package host

import (
	"bufio"
	"os"
	"slices"
	"strings"
)

// distribution holds the fields of /etc/os-release that the lab uses.
type distribution struct {
	ID   string   // "debian"
	Like []string // the distributions that it derives from
	Name string   // for display: "Debian GNU/Linux 12 (bookworm)"
}

// usesApt reports whether this is Debian, Ubuntu or derived from them.
func (d distribution) usesApt() bool {
	family := append([]string{d.ID}, d.Like...)
	return slices.Contains(family, "debian") || slices.Contains(family, "ubuntu")
}

// thisDistribution returns this machine's distribution, or an empty one if there is no os-release
// file.
func thisDistribution() distribution {
	for _, file := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if text, err := os.ReadFile(file); err == nil {
			return parseDistribution(string(text))
		}
	}
	return distribution{}
}

func parseDistribution(osRelease string) distribution {
	var d distribution
	lines := bufio.NewScanner(strings.NewReader(osRelease))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			continue
		}
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			d.ID = value
		case "ID_LIKE":
			d.Like = strings.Fields(value)
		case "PRETTY_NAME":
			d.Name = value
		}
	}
	return d
}
