// WebSockets that echo, in streams of HTTP/3 (RFC 9220), by quic-go and gorilla/websocket: `http3_chat CERT KEY PAGE`. Prints its port.
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
	"github.com/lucas-clemente/quic-go/http3"
)

const enableConnectProtocol = 0x8

// A stream as the connection of an upgrade in HTTP/1.1, whose answer is dropped: that of the stream stands for it.
type connection struct {
	http3.Stream
	answered bool
}

func (c *connection) Write(bytes []byte) (int, error) {
	if c.answered {
		return c.Stream.Write(bytes)
	}
	c.answered = true
	return len(bytes), nil
}

func (c *connection) LocalAddr() net.Addr                 { return &net.UDPAddr{} }
func (c *connection) RemoteAddr() net.Addr                { return &net.UDPAddr{} }
func (c *connection) SetDeadline(at time.Time) error      { return c.Stream.SetDeadline(at) }
func (c *connection) SetReadDeadline(at time.Time) error  { return c.Stream.SetReadDeadline(at) }
func (c *connection) SetWriteDeadline(at time.Time) error { return c.Stream.SetWriteDeadline(at) }

type hijacker struct {
	http.ResponseWriter
	connection *connection
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.connection, bufio.NewReadWriter(bufio.NewReader(h.connection), bufio.NewWriter(h.connection)), nil
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func chat(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	asked := http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	stream := r.Body.(http3.HTTPStreamer).HTTPStream()
	socket, err := upgrader.Upgrade(hijacker{w, &connection{Stream: stream}}, &http.Request{Method: http.MethodGet, Header: asked}, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer socket.Close()
	for {
		kind, message, err := socket.ReadMessage()
		if err != nil || socket.WriteMessage(kind, message) != nil {
			return
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	certificate, err := tls.LoadX509KeyPair(os.Args[1], os.Args[2])
	must(err)
	page, err := os.ReadFile(os.Args[3])
	must(err)
	port, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(err)
	over := make(chan struct{})
	server := http3.Server{
		TLSConfig:          &tls.Config{Certificates: []tls.Certificate{certificate}},
		AdditionalSettings: map[uint64]uint64{enableConnectProtocol: 1},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodConnect && r.Proto == "websocket":
				chat(w, r)
			case r.URL.Path == "/page":
				w.Header().Set("content-type", "text/html")
				w.Write(page)
			case r.URL.Path == "/held":
				<-over
			case r.URL.Path == "/over":
				close(over)
			}
		}),
	}
	fmt.Println(port.LocalAddr().(*net.UDPAddr).Port)
	must(server.Serve(port))
}
