package console

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func written(parts ...string) string {
	var out bytes.Buffer
	l := NewLines(&out, "ember-out: ")
	for _, p := range parts {
		_, _ = l.Write([]byte(p))
	}
	l.Flush()
	return out.String()
}

func TestLinesArePrefixedHoweverTheyArrive(t *testing.T) {
	want := "ember-out: one\nember-out: \nember-out: two\nember-out: three\n"
	if got := written("o", "ne\n\ntw", "o\r\nthree"); got != want {
		t.Errorf("%q", got)
	}
}

func TestControlCharactersAreVisible(t *testing.T) {
	if got := written("a\x1b[2J\x00b\tc\x7fü\n"); got != "ember-out: a\\x1b[2J\\x00b\tc\\x7fü\n" {
		t.Errorf("%q", got)
	}
}

func TestLongLinesAreSplit(t *testing.T) {
	got := written(strings.Repeat("x", MaxLine+10) + "\nend\n")
	lines := strings.Split(got, "\n")
	if len(lines) != 4 || len(lines[0]) != MaxLine+len("ember-out: ") || lines[1] != "ember-out: xxxxxxxxxx" || lines[2] != "ember-out: end" {
		t.Errorf("%d lines", len(lines))
	}
	if got := written(strings.Repeat("x", MaxLine) + "\n"); strings.Count(got, "\n") > 2 {
		t.Errorf("a line of exactly the limit gave %d lines", strings.Count(got, "\n"))
	}
}

func TestConsoleSurvivesLosingItsTerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := OpenPath(path)
	c.Printf("one %s", "line\x1b")
	_ = c.file.Close() // as after a hang-up
	c.Printf("two")
	data, _ := os.ReadFile(path)
	if string(data) != "ember-guest: one line\\x1b\nember-guest: two\n" {
		t.Errorf("%q", data)
	}
	OpenPath("/no/such/console").Printf("mute")
}
