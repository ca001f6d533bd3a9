package lab

import "testing"

func TestCPUListIsWrittenAsTheKernelDoes(t *testing.T) {
	for want, ids := range map[string][]int{
		"": nil, "0": {0}, "0-1": {1, 0}, "0-2,5": {0, 1, 2, 5}, "0,2,4": {4, 2, 0}, "3": {3, 3},
	} {
		if got := CPUList(ids); got != want {
			t.Errorf("%v is written %q, want %q", ids, got, want)
		}
	}
}
