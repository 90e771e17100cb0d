package users

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// User is everything needed to run something as somebody.
type User struct {
	Name   string // the login name, or the number when there is no entry
	UID    uint32
	GID    uint32
	Groups []uint32
	Home   string
	Shell  string
}

// Lookup resolves "user", "uid", "user:group", "uid:gid" and their mixtures.
// An empty user part is root. Numbers need no entry; then the group is 0.
func (db DB) Lookup(spec string) (User, error) {
	userPart, groupPart, _ := strings.Cut(spec, ":")
	if userPart == "" {
		userPart = "root"
	}
	user, err := db.lookupUser(userPart)
	if err != nil {
		return User{}, err
	}
	if groupPart != "" {
		gid, err := db.lookupGroup(groupPart)
		if err != nil {
			return User{}, err
		}
		// An explicit group stands alone, as with docker.
		user.GID, user.Groups = gid, []uint32{gid}
		return user, nil
	}
	user.Groups = db.groupsOf(user)
	return user, nil
}

func (db DB) lookupUser(name string) (User, error) {
	for _, e := range db.passwd() {
		if e.name == name || strconv.FormatUint(uint64(e.uid), 10) == name {
			return db.complete(User{Name: e.name, UID: e.uid, GID: e.gid, Home: e.home, Shell: e.shell}), nil
		}
	}
	if name == "root" {
		return db.complete(User{Name: "root"}), nil
	}
	uid, err := parseID(name)
	if err != nil {
		return User{}, fmt.Errorf("unknown user %q: no entry in the guest's /etc/passwd", name)
	}
	return db.complete(User{Name: name, UID: uid}), nil
}

func (db DB) complete(u User) User {
	if u.Home == "" {
		u.Home = "/"
		if info, err := os.Stat(filepath.Join(db.Root, "root")); u.UID == 0 && err == nil && info.IsDir() {
			u.Home = "/root"
		}
	}
	if u.Shell == "" {
		u.Shell = "/bin/sh"
	}
	return u
}

func (db DB) lookupGroup(name string) (uint32, error) {
	for _, g := range db.groups() {
		if g.name == name || strconv.FormatUint(uint64(g.gid), 10) == name {
			return g.gid, nil
		}
	}
	gid, err := parseID(name)
	if err != nil {
		return 0, fmt.Errorf("unknown group %q: no entry in the guest's /etc/group", name)
	}
	return gid, nil
}

func (db DB) groupsOf(u User) []uint32 {
	gids := []uint32{u.GID}
	for _, g := range db.groups() {
		if slices.Contains(g.members, u.Name) && !slices.Contains(gids, g.gid) {
			gids = append(gids, g.gid)
		}
	}
	return gids
}
