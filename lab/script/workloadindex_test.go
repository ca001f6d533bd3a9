package script

import "testing"

// A path with the name of a room belongs to the workload of the rooms.
func TestAPathWithARoomBelongsToItsWorkload(t *testing.T) {
	index := workloadIndex{Paths: map[string]string{"/rooms/{room}/messages": "rooms", "/json": "hello"}}
	for path, want := range map[string]string{
		"/rooms/a/messages": "rooms", "/json": "hello", "/rooms/a/others": "", "/rooms/messages": "",
	} {
		if got := index.nameOf(path); got != want {
			t.Errorf("%s belongs to %q, want %q", path, got, want)
		}
	}
}
