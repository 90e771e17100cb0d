// world stands in for the internet. `world serve BUNDLE NAME=ADDRESS...` answers for these names: DNS on port 53 of the first
// address, HTTP and HTTPS on ports 80 and 443 of each, telling in the body what came; its authority's certificate is added to
// the file BUNDLE. `world ask ADDRESS:PORT NAME` prints what a name server knows of a name. `world get URL [HEADER:VALUE]...` asks, trusting what this machine trusts, and prints status and body.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	switch {
	case len(os.Args) > 3 && os.Args[1] == "serve":
		serve(os.Args[2], os.Args[3:])
	case len(os.Args) > 2 && os.Args[1] == "get":
		get(os.Args[2], os.Args[3:])
	case len(os.Args) == 4 && os.Args[1] == "ask":
		ask(os.Args[2], os.Args[3])
	default:
		fmt.Fprintln(os.Stderr, "usage: world serve BUNDLE NAME=ADDRESS... | world get URL [HEADER:VALUE]... | world ask SERVER NAME")
		os.Exit(2)
	}
}

func serve(bundle string, hosts []string) {
	addresses := map[string]net.IP{}
	for _, host := range hosts {
		name, address, _ := strings.Cut(host, "=")
		addresses[name] = net.ParseIP(address).To4()
	}
	settings := &tls.Config{GetCertificate: authority(bundle)}
	_, first, _ := strings.Cut(hosts[0], "=")
	served := map[string]bool{}
	for _, address := range addresses {
		if at := address.String(); !served[at] {
			served[at] = true
			plain, err := net.Listen("tcp", at+":80")
			fail(err)
			secure, err := tls.Listen("tcp", at+":443", settings)
			fail(err)
			go func() { fail(http.Serve(plain, http.HandlerFunc(tell))) }()
			go func() { fail(http.Serve(secure, http.HandlerFunc(tell))) }()
		}
	}
	answerNames(first, addresses)
}

// tell repeats what matters of a request.
func tell(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "host=%s tls=%v token=%s\n", r.Host, r.TLS != nil, r.Header.Get("X-Token"))
}

// authority makes one, adds its certificate to the bundle, and signs for whoever is asked for.
func authority(bundle string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	root := certificateOf("test authority")
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	fail(err)
	file, err := os.OpenFile(bundle, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	fail(err)
	fail(pem.Encode(file, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	fail(file.Close())
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		leaf := certificateOf(hello.ServerName)
		leaf.DNSNames = []string{hello.ServerName}
		signed, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, key)
		return &tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}, err
	}
}

func certificateOf(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

// answerNames is a name server for A records (RFC 1035), over UDP.
func answerNames(at string, addresses map[string]net.IP) {
	socket, err := net.ListenPacket("udp", at+":53")
	fail(err)
	fmt.Println("serving")
	buffer := make([]byte, 1500)
	for {
		n, from, err := socket.ReadFrom(buffer)
		fail(err)
		if answer := answerTo(buffer[:n], addresses); answer != nil {
			_, _ = socket.WriteTo(answer, from) // the asker may be gone
		}
	}
}

func answerTo(query []byte, addresses map[string]net.IP) []byte {
	const header = 12
	if len(query) < header {
		return nil
	}
	var labels []string
	end := header
	for end < len(query) && query[end] != 0 {
		next := end + 1 + int(query[end])
		if next >= len(query) {
			return nil
		}
		labels = append(labels, string(query[end+1:next]))
		end = next
	}
	end += 5 // the root's label, type and class
	if end > len(query) {
		return nil
	}
	address := addresses[strings.ToLower(strings.Join(labels, "."))]
	isA := binary.BigEndian.Uint16(query[end-4:]) == 1
	reply := append([]byte{}, query[:end]...)
	reply[2], reply[3] = 0x84|query[2]&1, 0x80 // an answer, with authority
	binary.BigEndian.PutUint16(reply[6:], 0)
	binary.BigEndian.PutUint32(reply[8:], 0)
	switch {
	case address == nil:
		reply[3] |= 3 // no such name
	case isA:
		binary.BigEndian.PutUint16(reply[6:], 1)
		reply = append(reply, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		reply = append(reply, address...)
	}
	return reply
}

func get(url string, headers []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	fail(err)
	client := &http.Client{}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ":")
		if name == "SNI" {
			client.Transport = &http.Transport{TLSClientConfig: &tls.Config{ServerName: value, InsecureSkipVerify: true}}
			continue
		}
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	fail(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fail(err)
	fmt.Printf("%d %s", response.StatusCode, body)
}

func ask(server, name string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}
	found, err := (&net.Resolver{PreferGo: true, Dial: dial}).LookupIP(ctx, "ip4", name)
	fail(err)
	fmt.Println(found)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
