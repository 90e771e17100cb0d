package process

import (
	"strings"

	"ember.dev/guest/internal/users"
)

// MergeEnv lays each list over the ones before it; order of first appearance is kept.
func MergeEnv(lists ...[]string) []string {
	var merged []string
	index := map[string]int{}
	for _, list := range lists {
		for _, entry := range list {
			name, _, _ := strings.Cut(entry, "=")
			if at, seen := index[name]; seen {
				merged[at] = entry
				continue
			}
			index[name] = len(merged)
			merged = append(merged, entry)
		}
	}
	return merged
}

// Getenv finds a variable in a list.
func Getenv(env []string, name string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// UserEnv is the environment that a user has before anything is laid over it.
func UserEnv(u users.User) []string {
	return []string{"PATH=" + DefaultPath, "HOME=" + u.Home}
}

// LoginEnv is UserEnv with what a login adds.
func LoginEnv(u users.User) []string {
	return append(UserEnv(u), "USER="+u.Name, "LOGNAME="+u.Name, "SHELL="+u.Shell)
}
