package agent

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"ember.dev/guest/internal/users"
)

// maxAuthTries lets users through whose agent offers many other keys first.
const maxAuthTries = 20

type loginKey struct{}

// SetCredentials replaces host key and authorised keys for new connections.
func (s *Server) SetCredentials(hostKey string, authorizedKeys []string) error {
	signer, err := ssh.ParsePrivateKey([]byte(hostKey))
	if err != nil {
		return fmt.Errorf("agent.hostKey: %w", err)
	}
	var allowed [][]byte
	for i, line := range authorizedKeys {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return fmt.Errorf("agent.authorizedKeys[%d]: %w", i, err)
		}
		allowed = append(allowed, key.Marshal())
	}
	config := &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-ember",
		MaxAuthTries:  maxAuthTries,
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return s.authorize(meta.User(), key, allowed)
		},
	}
	config.AddHostKey(signer)
	s.ssh.Store(config)
	return nil
}

func (s *Server) authorize(name string, key ssh.PublicKey, allowed [][]byte) (*ssh.Permissions, error) {
	offered := key.Marshal()
	match := 0
	for _, one := range allowed { // all of them, so that timing tells nothing
		match |= subtle.ConstantTimeCompare(one, offered)
	}
	user, err := s.Users.Lookup(name)
	if match != 1 || err != nil || name == "" {
		return nil, errors.New("not authorised")
	}
	return &ssh.Permissions{ExtraData: map[any]any{loginKey{}: user}}, nil
}

func loginOf(p *ssh.Permissions) (users.User, bool) {
	if p == nil {
		return users.User{}, false
	}
	user, ok := p.ExtraData[loginKey{}].(users.User)
	return user, ok
}
