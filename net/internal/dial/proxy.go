package dial

import (
	"fmt"
	"net/netip"
	"net/url"
	"sync/atomic"

	"golang.org/x/net/http/httpproxy"
)

const (
	portHTTP  = 80
	portHTTPS = 443
)

// Proxy is what the environment says of the way out: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.
type Proxy struct {
	HTTPS string `json:"https"`
	HTTP  string `json:"http"`
	// None are hosts, domains, addresses and networks that are connected to directly.
	None string `json:"none"`
}

// proxies choose the proxy for each connection.
type proxies struct {
	choose atomic.Pointer[func(*url.URL) (*url.URL, error)]
}

// set replaces the settings; the error names what is wrong with them, without logins.
func (p *proxies) set(settings Proxy) error {
	if settings.HTTPS == "" && settings.HTTP == "" {
		p.choose.Store(nil)
		return nil
	}
	for _, text := range []string{settings.HTTPS, settings.HTTP} {
		if err := checkProxy(text); err != nil {
			return err
		}
	}
	config := httpproxy.Config{HTTPSProxy: settings.HTTPS, HTTPProxy: settings.HTTP, NoProxy: settings.None}
	choose := config.ProxyFunc()
	p.choose.Store(&choose)
	return nil
}

func checkProxy(text string) error {
	if text == "" {
		return nil
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" {
		return fmt.Errorf("a proxy is no URL such as http://proxy.example:3128")
	}
	if parsed.Scheme != "http" && parsed.Scheme != "https" {
		return fmt.Errorf("a proxy's URL begins with http:// or https://, not %s://", parsed.Scheme)
	}
	return nil
}

// forAddress gives the proxy for a connection to an address of which the host knows the way: those of the web alone, all
// others are direct. nil: direct.
func (p *proxies) forAddress(to netip.AddrPort) *url.URL {
	if to.Port() != portHTTP && to.Port() != portHTTPS {
		return nil
	}
	return p.forHost(to.Addr().String(), to.Port())
}

// forHost gives the proxy for a connection to a host; nil: direct.
func (p *proxies) forHost(host string, port uint16) *url.URL {
	choose := p.choose.Load()
	if choose == nil {
		return nil
	}
	target := &url.URL{Scheme: "https", Host: hostPort(host, port)}
	if port == portHTTP {
		target.Scheme = "http"
	}
	proxy, err := (*choose)(target)
	if err != nil {
		return nil // set has checked all proxies
	}
	return proxy
}
