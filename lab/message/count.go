package message

import "fmt"

// Count returns a number with the form of the noun that fits it: "1 block", "2 blocks".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
