package names

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// resolvConf is a file in the form of resolv.conf(5).
type resolvConf struct {
	path string

	mu      sync.Mutex
	changed time.Time
	size    int64
	list    []string
}

// servers reads the file when it is another than before. A VPN may replace it while it is read: the next question sees
// that.
func (r *resolvConf) servers() ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	facts, err := os.Stat(r.path)
	if err != nil {
		return nil, fmt.Errorf("find the host's resolvers: %w", err)
	}
	if r.list != nil && facts.ModTime().Equal(r.changed) && facts.Size() == r.size {
		return r.list, nil
	}
	config, err := dns.ClientConfigFromFile(r.path)
	if err != nil {
		return nil, fmt.Errorf("read the host's resolvers: %w", err)
	}
	list := make([]string, 0, len(config.Servers))
	for _, server := range config.Servers {
		list = append(list, net.JoinHostPort(server, config.Port))
	}
	r.list, r.changed, r.size = list, facts.ModTime(), facts.Size()
	return list, nil
}
