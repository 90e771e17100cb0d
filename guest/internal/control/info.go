package control

import (
	"encoding/json"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"ember.dev/guest/internal/clock"
	"ember.dev/guest/internal/entrypoint"
)

type infoResult struct {
	Kernel        string           `json:"kernel"`
	Arch          string           `json:"arch"`
	Hostname      string           `json:"hostname"`
	OS            string           `json:"os"`
	UptimeSeconds float64          `json:"uptimeSeconds"`
	Addresses     []string         `json:"addresses"`
	Mode          string           `json:"mode"`
	Process       entrypoint.State `json:"process"`
}

func (m *Machine) info(json.RawMessage) (reply, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return reply{}, err
	}
	return reply{result: infoResult{
		Kernel:        unix.ByteSliceToString(uts.Release[:]),
		Arch:          unix.ByteSliceToString(uts.Machine[:]),
		Hostname:      unix.ByteSliceToString(uts.Nodename[:]),
		OS:            osName(),
		UptimeSeconds: clock.SinceBoot().Seconds(),
		Addresses:     addresses(),
		Mode:          m.Mode,
		Process:       m.Entrypoint.State(),
	}}, nil
}

// addresses lists global addresses with their prefix lengths.
func addresses() []string {
	found := []string{}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return found
	}
	for _, a := range all {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() {
			found = append(found, ip.String())
		}
	}
	return found
}

func osName() string {
	for _, path := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if value, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				return strings.Trim(strings.TrimSpace(value), `"'`)
			}
		}
	}
	return ""
}
