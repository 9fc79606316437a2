/** `mentu-runtime`: runs commands in guests and captures what they contact. */
import { start } from './start.ts';

await start({
  name: 'mentu-runtime',
  summary: 'Runs a command in an isolated guest and records what it contacts, sends and gets back.',
  commands: {
    exec: { summary: 'Runs a command in a guest.', load: () => import('./commands/exec.ts') },
    proxy: { summary: 'Captures what comes through an HTTP and SOCKS5 proxy.', load: () => import('./commands/proxy.ts') },
    doctor: { summary: 'Says what is missing on this machine, and proves the sandbox.', load: () => import('./commands/doctor.ts') },
    engine: {
      summary: 'Guest engines: what separates a guest from this machine.',
      commands: {
        list: { summary: 'Lists the engines, and whether each can run here.', load: () => import('./commands/engine/list.ts') },
        setup: { summary: 'Makes an engine ready on this machine.', load: () => import('./commands/engine/setup.ts') },
        switch: { summary: 'Makes an engine the default.', load: () => import('./commands/engine/switch.ts') },
        doctor: { summary: 'Examines an engine, and proves its sandbox.', load: () => import('./commands/engine/doctor.ts') },
      },
    },
    plugins: {
      summary: 'Capture plugins.',
      commands: {
        list: { summary: 'Lists the plugins that a preset may name.', load: () => import('./commands/plugins/list.ts') },
        new: { summary: 'Makes a plugin with a passing test.', load: () => import('./commands/plugins/new.ts') },
      },
    },
    presets: {
      summary: 'Presets: which plugins a job runs with.',
      commands: {
        list: { summary: 'Lists the presets.', load: () => import('./commands/presets/list.ts') },
        show: { summary: 'Prints a preset as it takes effect.', load: () => import('./commands/presets/show.ts') },
      },
    },
    config: {
      summary: 'The settings of a job, and trust in mentu.yaml.',
      commands: {
        show: { summary: 'Prints the effective settings and where each comes from.', load: () => import('./commands/config/show.ts') },
        trust: { summary: 'Vouches for the mentu.yaml of this folder.', load: () => import('./commands/config/trust.ts') },
      },
    },
  },
});
