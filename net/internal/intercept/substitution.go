package intercept

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
)

// Shorter values occur by chance: putting a placeholder in their place would damage answers.
const minRestoredBytes = 6

// substitution is what happens to the headers of one host: its own secrets and no others.
type substitution struct {
	placeholders *strings.Replacer
	values       *strings.Replacer
}

func newSubstitution(secrets []Secret) substitution {
	secrets = slices.Clone(secrets)
	var reveal, restore []string
	for _, s := range secrets {
		reveal = append(reveal, s.placeholder, s.reveal())
	}
	// A value that is part of another must not hide it.
	slices.SortFunc(secrets, func(a, b Secret) int { return cmp.Compare(len(b.reveal()), len(a.reveal())) })
	for _, s := range secrets {
		if len(s.reveal()) >= minRestoredBytes {
			restore = append(restore, s.reveal(), s.placeholder)
		}
	}
	return substitution{placeholders: strings.NewReplacer(reveal...), values: strings.NewReplacer(restore...)}
}

// reveal puts values in place of placeholders in a request's header, also inside of Basic credentials.
func (s substitution) reveal(field, value string) string {
	if equalFold(field, "authorization", "proxy-authorization") {
		if revealed, ok := s.revealBasic(value); ok {
			return revealed
		}
	}
	return s.placeholders.Replace(value)
}

func (s substitution) revealBasic(value string) (string, bool) {
	scheme, credentials, found := strings.Cut(value, " ")
	if !found || !strings.EqualFold(scheme, "basic") {
		return "", false
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(credentials))
	if err != nil {
		return "", false // not ours to judge: it goes on as it came
	}
	revealed := s.placeholders.Replace(string(plain))
	if revealed == string(plain) {
		return value, true
	}
	return scheme + " " + base64.StdEncoding.EncodeToString([]byte(revealed)), true
}

// restore puts placeholders in place of values in a response's header. What frames a message is left alone.
func (s substitution) restore(field, value string) string {
	if equalFold(field, "content-length", "transfer-encoding", "connection", "date", ":status") {
		return value
	}
	return s.values.Replace(value)
}

func equalFold(field string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(field, name) })
}
