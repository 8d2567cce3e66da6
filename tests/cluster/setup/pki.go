package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

const years10 = 10 * 365 * 24 * time.Hour

// prod uses RSA and staging ECDSA keys, so that clients meet both.
func newKey(cluster string) (crypto.Signer, []byte, error) {
	if cluster == "staging" {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return nil, nil, err
		}
		return k, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	return k, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}), nil
}

type authority struct {
	cert    *x509.Certificate
	key     crypto.Signer
	pem     []byte
	keyPEM  []byte
	keyKind string
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // no entropy: nothing sensible can follow
	}
	return n
}

func newAuthority(cn, keyKind string) (*authority, error) {
	key, keyPEM, err := newKey(keyKind)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(years10),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), keyPEM, keyKind}, nil
}

// loadAuthority reads the CA stored as path.crt and path.key, or makes it; made tells which.
func loadAuthority(path, cn, keyKind string) (a *authority, made bool, err error) {
	crt, key, err := readPair(path)
	if errors.Is(err, fs.ErrNotExist) {
		if a, err = newAuthority(cn, keyKind); err != nil {
			return nil, false, err
		}
		if err = writeFile(path+".key", a.keyPEM, 0o600); err != nil {
			return nil, false, err
		}
		return a, true, writeFile(path+".crt", a.pem, 0o644)
	}
	if err != nil {
		return nil, false, err
	}
	b, _ := pem.Decode(crt)
	k, _ := pem.Decode(key)
	if b == nil || k == nil {
		return nil, false, fmt.Errorf("%s.crt or .key holds no PEM block: run down --wipe, then up", path)
	}
	a = &authority{pem: crt, keyPEM: key, keyKind: keyKind}
	if a.cert, err = x509.ParseCertificate(b.Bytes); err != nil {
		return nil, false, err
	}
	if k.Type == "EC PRIVATE KEY" {
		a.key, err = x509.ParseECPrivateKey(k.Bytes)
	} else {
		a.key, err = x509.ParsePKCS1PrivateKey(k.Bytes)
	}
	return a, false, err
}

func readPair(path string) (crt, key []byte, err error) {
	if crt, err = os.ReadFile(path + ".crt"); err != nil {
		return nil, nil, err
	}
	key, err = os.ReadFile(path + ".key")
	return crt, key, err
}

type leaf struct {
	cn, org        string
	client, server bool
	dns            []string
	ips            []net.IP
	notBefore      time.Duration // from now
	notAfter       time.Duration
}

func (a *authority) issue(path string, l leaf) error {
	key, keyPEM, err := newKey(a.keyKind)
	if err != nil {
		return err
	}
	if l.notAfter == 0 {
		l.notBefore, l.notAfter = -time.Hour, years10
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: l.cn},
		NotBefore: time.Now().Add(l.notBefore), NotAfter: time.Now().Add(l.notAfter),
		BasicConstraintsValid: true, DNSNames: l.dns, IPAddresses: l.ips,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	if l.org != "" {
		t.Subject.Organization = []string{l.org}
	}
	if l.client {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if l.server {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	if err := writeFile(path+".key", keyPEM, 0o600); err != nil {
		return err
	}
	return writeFile(path+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// nodeIPs lists every loopback address a node of the cluster may have: each simulated
// node gets its own, so that the API server reaches the agent under the node's address.
func nodeIPs(cluster string) []net.IP {
	third := byte(10)
	if cluster == "staging" {
		third = 20
	}
	ips := []net.IP{net.IPv4(127, 0, 0, 1)}
	for i := byte(11); i < 20; i++ {
		ips = append(ips, net.IPv4(127, 0, third, i))
	}
	for i := byte(1); i <= 50; i++ {
		ips = append(ips, net.IPv4(127, 0, third+1, i))
	}
	return ips
}

func (c *cluster) makePKI() error {
	ca, madeCA, err := loadAuthority(c.pki("ca"), c.name+"-ca", c.name)
	if err != nil {
		return err
	}
	c.ca = ca
	front, madeFront, err := loadAuthority(c.pki("front-proxy-ca"), c.name+"-front-proxy-ca", c.name)
	if err != nil {
		return err
	}
	local := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 96, 0, 1)}
	for name, l := range map[string]leaf{
		"apiserver": {cn: "kube-apiserver", server: true, ips: local, dns: []string{"localhost", "kubernetes", "kubernetes.default",
			"kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}},
		"kubelet-client":     {cn: "kube-apiserver-kubelet-client", org: "system:masters", client: true},
		"controller-manager": {cn: "system:kube-controller-manager", client: true, server: true, ips: local[:1]},
		"scheduler":          {cn: "system:kube-scheduler", client: true, server: true, ips: local[:1]},
		"agent":              {cn: "node-agent", org: "system:masters", client: true},
		"kubelet": {cn: "system:node", org: "system:nodes", server: true, ips: nodeIPs(c.name),
			dns: []string{"localhost", "metrics-server.kube-system.svc"}},
		"admin":   {cn: "admin@" + c.name, org: "system:masters", client: true},
		"expired": {cn: "admin@" + c.name, org: "system:masters", client: true, notBefore: -48 * time.Hour, notAfter: -24 * time.Hour},
	} {
		if err := issueIfMissing(ca, madeCA, c.pki(name), l); err != nil {
			return err
		}
	}
	if err := issueIfMissing(front, madeFront, c.pki("front-proxy-client"), leaf{cn: "front-proxy-client", client: true}); err != nil {
		return err
	}
	return c.makeServiceAccountKey()
}

func issueIfMissing(a *authority, force bool, path string, l leaf) error {
	if _, _, err := readPair(path); err == nil && !force {
		return nil
	}
	return a.issue(path, l)
}

func (c *cluster) makeServiceAccountKey() error {
	if _, err := os.Stat(c.pki("sa.pub")); err == nil {
		return nil
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	pub, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		return err
	}
	if err := writeFile(c.pki("sa.key"), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}), 0o600); err != nil {
		return err
	}
	return writeFile(c.pki("sa.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}), 0o644)
}
