package saved

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type content struct {
	Text string `json:"text"`
}

func TestWhatIsWrittenIsReadAndForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, left := range []string{"", "half a fi"} { // by a process that was killed
		if left != "" {
			if err := os.WriteFile(path+".new", []byte(left), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if err := Write(path, content{"text" + left}); err != nil {
			t.Fatal(err)
		}
		var read content
		if err := Read(path, &read); err != nil || read.Text != "text"+left {
			t.Errorf("%v, %v", read, err)
		}
		if facts, err := os.Stat(path); err != nil || facts.Mode() != 0o600 {
			t.Errorf("%v, %v", facts.Mode(), err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Read(path, &content{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	for _, text := range []string{"", "{", `{"other":1}`, `{"text":"` + strings.Repeat("x", maxBytes) + `"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Read(path, &content{}); err == nil {
			t.Errorf("%.20q is read", text)
		}
	}
	if err := Write(filepath.Join(path, "below a file"), content{}); err == nil {
		t.Error("written below a file")
	}
}
