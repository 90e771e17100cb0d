package etc

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ember.dev/guest/internal/identity"
)

func hosts(pairs ...string) []identity.Host {
	var list []identity.Host
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, identity.Host{Name: pairs[i] + domain, Address: netip.MustParseAddr(pairs[i+1])})
	}
	return list
}

func hostsAt(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func update(t *testing.T, path string, list []identity.Host) string {
	t.Helper()
	if err := updateSiblings(path, list); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// lookUp is what a resolver makes of a hosts file: the address of the first line with the name.
func lookUp(content, name string) string {
	for line := range strings.SplitSeq(content, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		for _, field := range fields[min(1, len(fields)):] {
			if field == name {
				return fields[0]
			}
		}
	}
	return ""
}

func TestSiblingsComeAndGo(t *testing.T) {
	path := hostsAt(t, "10.0.0.2\tweb.ember.internal web\n127.0.0.1 localhost\n")
	content := update(t, path, hosts("db", "10.0.0.6", "job", "10.0.0.10"))
	for name, want := range map[string]string{"db": "10.0.0.6", "db.ember.internal": "10.0.0.6", "job": "10.0.0.10", "web": "10.0.0.2", "localhost": "127.0.0.1"} {
		if got := lookUp(content, name); got != want {
			t.Errorf("%s is %q in %q", name, got, content)
		}
	}
	content = update(t, path, hosts("job", "10.0.0.14", "late", "10.0.0.18"))
	for name, want := range map[string]string{"db": "", "db.ember.internal": "", "job": "10.0.0.14", "late": "10.0.0.18", "web": "10.0.0.2"} {
		if got := lookUp(content, name); got != want {
			t.Errorf("%s is %q in %q", name, got, content)
		}
	}
	if content = update(t, path, nil); lookUp(content, "late") != "" || lookUp(content, "web") != "10.0.0.2" {
		t.Errorf("%q", content)
	}
}

func TestTheSameListChangesNothing(t *testing.T) {
	path := hostsAt(t, "127.0.0.1 localhost\n")
	before := update(t, path, hosts("a", "10.0.0.2", "b", "10.0.0.6"))
	if after := update(t, path, hosts("b", "10.0.0.6", "a", "10.0.0.2")); after != before {
		t.Errorf("%q became %q", before, after)
	}
}

func TestWhatTheUserAddedStays(t *testing.T) {
	path := hostsAt(t, "127.0.0.1 localhost")
	content := update(t, path, hosts("a", "10.0.0.2"))
	content += "9.9.9.9 mine # ember is not mine\n\n# a note\n8.8.8.8 last"
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	content = update(t, path, hosts("b", "10.0.0.6"))
	if !strings.HasPrefix(content, "127.0.0.1 localhost\n#0.0.0.2\t") || !strings.Contains(content, "\n9.9.9.9 mine # ember is not mine\n\n# a note\n8.8.8.8 last\n10.0.0.6\tb.ember.internal b\t# ember\n") {
		t.Errorf("%q", content)
	}
}

func TestNamesThatAreTakenAreNotTouched(t *testing.T) {
	path := hostsAt(t, "10.0.0.2\tweb.ember.internal web\n127.0.0.1 localhost\n1.1.1.1 db\n2.2.2.2 mine.ember.internal\n")
	content := update(t, path, hosts("web", "10.0.0.2", "localhost", "10.0.0.6", "db", "10.0.0.10", "mine", "10.0.0.14"))
	for name, want := range map[string]string{"web": "10.0.0.2", "localhost": "127.0.0.1", "localhost.ember.internal": "10.0.0.6", "db": "1.1.1.1", "db.ember.internal": "10.0.0.10", "mine.ember.internal": "2.2.2.2"} {
		if got := lookUp(content, name); got != want {
			t.Errorf("%s is %q in %q", name, got, content)
		}
	}
	if strings.Count(content, "web.ember.internal") != 1 || strings.Contains(content, "internal localhost") || strings.Contains(content, "10.0.0.14") {
		t.Errorf("%q", content)
	}
}

func TestNoVMIsLocalhost(t *testing.T) {
	content := update(t, hostsAt(t, "1.1.1.1 other\n"), hosts("localhost", "10.0.0.6"))
	if lookUp(content, "localhost") != "" || lookUp(content, "localhost.ember.internal") != "10.0.0.6" {
		t.Errorf("%q", content)
	}
}

func TestAListThatKeepsChangingDoesNotFillTheFile(t *testing.T) {
	path := hostsAt(t, "127.0.0.1 localhost\n9.9.9.9 mine\n")
	for i := range 5000 {
		list := hosts(fmt.Sprintf("vm-%d", i), "10.0.0.2")
		if err := updateSiblings(path, list); err != nil {
			t.Fatal(err)
		}
	}
	content := update(t, path, hosts("end", "10.0.0.2"))
	if len(content) > 2*maxDeadBytes || lookUp(content, "end") != "10.0.0.2" || lookUp(content, "mine") != "9.9.9.9" || lookUp(content, "vm-4999") != "" {
		t.Errorf("%d bytes, %.200q", len(content), content)
	}
}

func TestReadersAlwaysFindWhatDoesNotChange(t *testing.T) {
	path := hostsAt(t, "127.0.0.1 localhost\n")
	all := many(2000)
	update(t, path, all)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				content, err := os.ReadFile(path)
				if err != nil || lookUp(string(content), "localhost") != "127.0.0.1" || lookUp(string(content), "vm-0") != "10.0.0.2" {
					t.Errorf("%v %.80q", err, content)
					return
				}
				checkLines(t, string(content))
			}
		})
	}
	for i := range 60 {
		if err := updateSiblings(path, all[:1+(i%2)*1999]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	readers.Wait()
}

// checkLines sees that no line gives an address of one VM to another.
func checkLines(t *testing.T, content string) {
	for line := range strings.SplitSeq(content, "\n") {
		fields := strings.Fields(strings.SplitN(line, "#", 2)[0])
		if len(fields) < 2 || !strings.HasPrefix(fields[1], "vm-") || !strings.HasSuffix(fields[1], domain) {
			continue
		}
		var n int
		_, _ = fmt.Sscanf(fields[1], "vm-%d", &n)
		if fields[0] != addressOf(n) {
			t.Errorf("a reader found %q", line)
		}
	}
}

func addressOf(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>14, n>>6&255, n<<2&255|2) }

func many(count int) []identity.Host {
	var list []identity.Host
	for n := range count {
		list = append(list, identity.Host{Name: fmt.Sprintf("vm-%d%s", n, domain), Address: netip.MustParseAddr(addressOf(n))})
	}
	return list
}

func TestAFullSubnetHasItsNames(t *testing.T) {
	path := hostsAt(t, "127.0.0.1 localhost\n")
	content := update(t, path, many(16_384))
	if lookUp(content, "vm-16383.ember.internal") != addressOf(16_383) || len(content) > 1<<20 {
		t.Errorf("%d bytes", len(content))
	}
}

func TestTheImagesOwnFileIsNotWritten(t *testing.T) {
	path := hostsAt(t, "127.0.0.1 localhost\n")
	if inMemory(path) {
		t.Error("a file that was not provided passed")
	}
	if inMemory(filepath.Join(t.TempDir(), "absent")) {
		t.Error("an absent file passed")
	}
}

func TestOverwritingLeavesTheNewContentAlone(t *testing.T) {
	path := hostsAt(t, strings.Repeat("old line\n", 1000))
	for _, content := range []string{"short\n", "", strings.Repeat("long line\n", 3000)} {
		if err := write(path, content); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%.60q, not %.60q", got, content)
		}
	}
}
