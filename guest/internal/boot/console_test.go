package boot

import "testing"

func TestTheLastConsoleIsTheGuests(t *testing.T) {
	for line, want := range map[string]bool{
		"":              false,
		"console=hvc0":  true,
		"console=ttyS0": false,
	} {
		if got := hasVirtualConsole([]string{"quiet", line}); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
	if hasVirtualConsole([]string{"console=hvc0", "console=ttyS0,115200"}) {
		t.Error("the kernel's console is the last one named")
	}
}
