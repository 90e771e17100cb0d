package identity

import (
	"encoding/json"
	"strings"
	"testing"
)

const full = `{ "version":1, "vmId":"3f9c0a1b2c4d", "hostname":"web", "bootTimeMs":1790000000000,
  "root":{"device":"/dev/vda","fsType":"ext4","readOnly":false},
  "network":{"mac":"52:54:00:12:34:56","address":"10.100.0.3/29","gateway":null,"resolvers":["10.100.0.2"],"mtu":1500,"searchDomains":["ember.internal"]},
  "hosts":[{"name":"web.ember.internal","address":"10.100.0.3"}],
  "agent":{"listen":["tcp:1022","vsock:1022"],"hostKey":"key","authorizedKeys":["ssh-ed25519 AAAA comment"]},
  "process":{"mode":"auto","argv":["a"],"explicit":false,"env":["PATH=/usr/bin:/bin","A=b"],"user":"","workdir":"","stopSignal":"SIGTERM","onExit":"stay"},
  "sessionUser":"root", "powerOff":"reboot", "somethingNew":{"x":[1]} }`

func TestFullDocumentIsRead(t *testing.T) {
	id, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	if id.VMID != "3f9c0a1b2c4d" || id.Network.MAC.String() != "52:54:00:12:34:56" || id.Network.Gateway.IsValid() ||
		id.Network.Address.String() != "10.100.0.3/29" || !id.RebootsToPowerOff() || id.Process.Env[1] != "A=b" {
		t.Errorf("%+v", id)
	}
}

func TestSmallestDocumentGetsDefaults(t *testing.T) {
	id, err := Parse([]byte(`{"version":1,"vmId":"a","root":{"device":"/dev/vda"},"network":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if id.Hostname != "a" || id.Root.FSType != "ext4" || id.Process.Mode != ModeAuto || id.Process.OnExit != "stay" ||
		id.PowerOff != "poweroff" || id.Network != nil || id.SessionUser != "root" || id.Process.StopSignal != "SIGTERM" {
		t.Errorf("%+v", id)
	}
}

func TestHostileDocumentsAreRefused(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(full, old) {
			t.Fatalf("the document has no %s", old)
		}
		return strings.Replace(full, old, new, 1)
	}
	cases := map[string]string{
		"not JSON":               "\x00",
		"empty":                  "",
		"an array":               "[]",
		"cut off":                full[:len(full)/2],
		"two documents":          full + full,
		"another version":        replace(`"version":1`, `"version":2`),
		"no version":             replace(`"version":1,`, ``),
		"console escape in id":   replace(`3f9c0a1b2c4d`, `a\u001b[2J`),
		"newline in hostname":    replace(`"hostname":"web"`, `"hostname":"web\n1.2.3.4 evil"`),
		"hostname with a dash":   replace(`"hostname":"web"`, `"hostname":"-rf"`),
		"device outside /dev":    replace(`/dev/vda`, `/etc/passwd`),
		"device with ..":         replace(`/dev/vda`, `/dev/../etc/passwd`),
		"odd file system":        replace(`"fsType":"ext4"`, `"fsType":"ext4,x"`),
		"bad mac":                replace(`52:54:00:12:34:56`, `52:54:00:12:34`),
		"infiniband mac":         replace(`52:54:00:12:34:56`, `00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01`),
		"address without prefix": replace(`10.100.0.3/29`, `10.100.0.3`),
		"prefix too long":        replace(`10.100.0.3/29`, `10.100.0.3/33`),
		"gateway of other kind":  replace(`"gateway":null`, `"gateway":"fe80::1"`),
		"IPv4 as address6":       replace(`"gateway":null`, `"gateway":null,"address6":"10.0.0.3/24"`),
		"gateway6 alone":         replace(`"gateway":null`, `"gateway":null,"gateway6":"fd00::1"`),
		"IPv4 as gateway6":       replace(`"gateway":null`, `"gateway":null,"address6":"fd00::3/64","gateway6":"10.0.0.1"`),
		"bad resolver":           replace(`["10.100.0.2"]`, `["10.100.0.2\nx"]`),
		"search with a newline":  replace(`["ember.internal"]`, `["a\nnameserver 6.6.6.6"]`),
		"host with a space":      replace(`web.ember.internal`, `a b`),
		"host without address":   replace(`"address":"10.100.0.3"}`, `"address":""}`),
		"huge mtu":               replace(`"mtu":1500`, `"mtu":1e9`),
		"bad listen":             replace(`"tcp:1022"`, `"tcp:99999"`),
		"bad listen network":     replace(`"tcp:1022"`, `"unix:1"`),
		"env without a name":     replace(`"A=b"`, `"=b"`),
		"env without =":          replace(`"A=b"`, `"A"`),
		"NUL in argv":            replace(`"argv":["a"]`, `"argv":["a\u0000b"]`),
		"unknown mode":           replace(`"mode":"auto"`, `"mode":"root"`),
		"unknown onExit":         replace(`"onExit":"stay"`, `"onExit":"explode"`),
		"unknown powerOff":       replace(`"powerOff":"reboot"`, `"powerOff":"halt"`),
		"wrong type":             replace(`"argv":["a"]`, `"argv":"a"`),
		"no entrypoint":          strings.Replace(replace(`"mode":"auto"`, `"mode":"entrypoint"`), `"argv":["a"]`, `"argv":[]`, 1),
		"trust in words":         replace(`"powerOff"`, `"trust":["everybody"], "powerOff"`),
		"two authorities in one": replace(`"powerOff"`, `"trust":[`+quoted(authority+authority)+`], "powerOff"`),
		"words before a PEM":     replace(`"powerOff"`, `"trust":[`+quoted("x\n"+authority)+`], "powerOff"`),
		"not a certificate":      replace(`"powerOff"`, `"trust":[`+quoted("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")+`], "powerOff"`),
		"many authorities":       replace(`"powerOff"`, `"trust":[`+strings.Repeat(quoted(authority)+",", maxTrust)+quoted(authority)+`], "powerOff"`),
		"deep nesting":           strings.Repeat("[", 100_000),
		"too large":              `{"version":1,"vmId":"` + strings.Repeat("a", MaxBytes) + `"}`,
	}
	for name, document := range cases {
		if id, err := Parse([]byte(document)); err == nil {
			t.Errorf("%s: accepted as %+v", name, id)
		} else if strings.ContainsAny(err.Error(), "\x00\x1b") {
			t.Errorf("%s: control characters in %q", name, err)
		}
	}
}

func TestAuthoritiesToTrustAreRead(t *testing.T) {
	id, err := Parse([]byte(strings.Replace(full, `"powerOff"`, `"trust":[`+quoted(authority)+`], "powerOff"`, 1)))
	if err != nil || len(id.Trust) != 1 || id.Trust[0] != authority {
		t.Errorf("%v %v", id, err)
	}
}

func quoted(text string) string {
	encoded, _ := json.Marshal(text) // a string always can be
	return string(encoded)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"version":1,"vmId":"a","root":{"device":"/dev/x"},"agent":{"listen":["vsock:1"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := Parse(data)
		if err != nil {
			return
		}
		if _, err := json.Marshal(id); err != nil {
			t.Errorf("accepted but not representable: %v", err)
		}
		for _, c := range id.VMID + id.Hostname + id.Root.Device {
			if c <= ' ' || c == 0x7f {
				t.Errorf("control character passed: %+v", id)
			}
		}
	})
}

const authority = `-----BEGIN CERTIFICATE-----
MIIBwjCCAWegAwIBAgIUMm85TWWM2HwyoopADLduSrJpDuwwCgYIKoZIzj0EAwIw
NTEUMBIGA1UECgwLRW1iZXIgIFRlc3QxHTAbBgNVBAMMFGVtYmVyIHNlY3JldHMg
b2YgV2ViMCAXDTI2MTEyOTE4MjQwNVoYDzIxMjYxMTA1MTgyNDA1WjA1MRQwEgYD
VQQKDAtFbWJlciAgVGVzdDEdMBsGA1UEAwwUZW1iZXIgc2VjcmV0cyBvZiBXZWIw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQyPGtRJg6JM4YGGUzsLfGoaw0seNsT
7KyMSO8+H49HwejGhKgPr2FRFrS4ZHYAIFebB+3g9qAT9r3cO7nNmn84o1MwUTAd
BgNVHQ4EFgQUVzuwuhbqNNsGDByeOau1Y56fcIQwHwYDVR0jBBgwFoAUVzuwuhbq
NNsGDByeOau1Y56fcIQwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBG
AiEA+hAYDc6NI6yNH0rhNvv6mofggyWnTlHdu8f0YSHk5iICIQC5emqqot4/XxB5
LWiEWWmrOjvw3Ytmf4MT7FdqJLNqZQ==
-----END CERTIFICATE-----
`
