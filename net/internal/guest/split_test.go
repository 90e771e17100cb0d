package guest

import (
	"bytes"
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
)

func TestLongPacketsAreSplitBehindTheirHeadersAndStayTheSame(t *testing.T) {
	tcp := make([]byte, 60)
	tcp[12] = 8 << 4 // with options of 12 bytes
	for name, one := range map[string]struct {
		packet []byte
		first  int // the length of the first piece, 0: all in one
	}{
		"TCP":         {packet4(outside, outside, 6, append(tcp[:32:32], make([]byte, 60000)...)), 52},
		"UDP":         {packet4(outside, outside, 17, make([]byte, 2000)), 28},
		"a short one": {packet4(outside, outside, 17, make([]byte, 100)), 0},
		"ICMP":        {packet4(outside, outside, 1, make([]byte, 2000)), 0},
	} {
		for i := range one.packet[60:] {
			one.packet[60+i] = byte(i)
		}
		view := buffer.NewViewSize(len(one.packet))
		copy(view.AsSlice(), one.packet)
		split := asBuffer(view)
		first := split.Size()
		if second := one.first != 0; second {
			head, ok := split.PullUp(0, one.first)
			if !ok || head.Size() != one.first {
				t.Errorf("%s: no headers", name)
			}
			first = int64(one.first)
		}
		pieces := 0
		split.Apply(func(*buffer.View) { pieces++ })
		if want := map[bool]int{true: 1, false: 2}[first == split.Size()]; pieces != want {
			t.Errorf("%s: %d pieces", name, pieces)
		}
		if !bytes.Equal(split.Flatten(), one.packet) {
			t.Errorf("%s is another packet", name)
		}
	}
}
