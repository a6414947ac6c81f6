// Package deviceplugin offers devices that do not exist, through the API that the plugins of real accelerators
// use: the node then has, for instance, four "nvidia.com/gpu", pods are scheduled by them, and a container that
// asked for some finds their names in its environment.
package deviceplugin

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const glance = 200 * time.Millisecond // how often files are looked at

// Plugin is one kind of device on one node. A device named in the file Sick is reported as unhealthy.
type Plugin struct {
	api.UnimplementedDevicePluginServer
	Resource string
	Variable string // the environment variable that names a container's devices
	Count    int
	Sick     string
}

func (p *Plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

// ListAndWatch sends the list of devices at once and whenever their health changes.
func (p *Plugin) ListAndWatch(_ *api.Empty, stream grpc.ServerStreamingServer[api.ListAndWatchResponse]) error {
	for sent := "?"; stream.Context().Err() == nil; time.Sleep(glance) {
		text, err := os.ReadFile(p.Sick)
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		if string(text) == sent {
			continue
		}
		sent = string(text)
		if err := stream.Send(&api.ListAndWatchResponse{Devices: p.devices(strings.Fields(sent))}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plugin) devices(sick []string) []*api.Device {
	health := map[string]string{}
	for _, name := range sick {
		health[name] = api.Unhealthy
	}
	devices := make([]*api.Device, p.Count)
	for i := range devices {
		name := fmt.Sprintf("%s-%d", filepath.Base(p.Resource), i)
		devices[i] = &api.Device{ID: name, Health: api.Healthy}
		if health[name] != "" {
			devices[i].Health = health[name]
		}
	}
	return devices
}

// Allocate tells each container its devices.
func (p *Plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		names := strings.Join(container.DevicesIds, ",")
		answer.ContainerResponses = append(answer.ContainerResponses,
			&api.ContainerAllocateResponse{Envs: map[string]string{p.Variable: names}})
	}
	return answer, nil
}

// Serve registers with the kubelet and serves until there is another, which when it starts removes the sockets
// of all plugins. (Its own socket tells less: the new one may well have the number of the old one's inode.)
func (p *Plugin) Serve(folder string) error {
	kubelet := filepath.Join(folder, "kubelet.sock")
	if _, err := os.Stat(kubelet); err != nil {
		return err
	}
	name := "throwaway-" + filepath.Base(p.Resource) + ".sock"
	own := filepath.Join(folder, name)
	if err := os.Remove(own); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", own)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	defer server.Stop()
	api.RegisterDevicePluginServer(server, p)
	go server.Serve(listener)
	if err := p.register(kubelet, name); err != nil {
		return err
	}
	log.Printf("registered %d %s", p.Count, p.Resource)
	for {
		time.Sleep(glance)
		if _, err := os.Lstat(own); err != nil {
			return err
		}
	}
}

func (p *Plugin) register(kubelet, name string) error {
	connection, err := grpc.NewClient("unix:"+kubelet, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = api.NewRegistrationClient(connection).Register(patience,
		&api.RegisterRequest{Version: api.Version, Endpoint: name, ResourceName: p.Resource}, grpc.WaitForReady(true))
	return err
}

// Main offers devices for as long as it lives, to one kubelet after the other.
func Main(arguments []string) int {
	plugin := &Plugin{}
	flags := flag.NewFlagSet("device-plugin", flag.ExitOnError)
	folder := flags.String("folder", api.DevicePluginPath, "the kubelet's folder of plugin sockets")
	flags.StringVar(&plugin.Resource, "resource", "nvidia.com/gpu", "the resource's name")
	flags.StringVar(&plugin.Variable, "variable", "NVIDIA_VISIBLE_DEVICES", "environment variable that names the devices")
	flags.IntVar(&plugin.Count, "count", 4, "how many devices")
	flags.StringVar(&plugin.Sick, "sick", "/dev/null", "a file that names the unhealthy devices")
	flags.Parse(arguments) // exits on an error
	for said := ""; ; time.Sleep(glance) {
		if err := plugin.Serve(*folder); err != nil && err.Error() != said {
			said = err.Error()
			log.Print(said)
		}
	}
}
