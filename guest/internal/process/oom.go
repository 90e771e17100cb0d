package process

import "os"

// The agent must outlive a guest that runs out of memory; what it starts must not.
const (
	ownScore   = "-900"
	childScore = "0"
)

// ProtectFromOOM lowers this process's score. Children inherit a score at fork,
// so Start raises it around each fork.
func (t *Table) ProtectFromOOM() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f, err := os.OpenFile("/proc/self/oom_score_adj", os.O_WRONLY, 0); err == nil {
		t.oom = f
		t.setOOM(ownScore)
	}
}

func (t *Table) setOOM(score string) {
	if t.oom != nil {
		_, _ = t.oom.WriteAt([]byte(score), 0) // best effort: the guest works without
	}
}
