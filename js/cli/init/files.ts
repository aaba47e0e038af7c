/** What `init` writes. */
import { dirname, join, resolve } from 'node:path'

export interface Setup {
  /** Where the application is. */
  readonly folder: string
  /** The outbox file. */
  readonly path: string
  readonly destination: string
  readonly url: string
  /** The application has a folder `src`, where Next.js looks then. */
  readonly hasSource: boolean
}

export interface File {
  readonly name: string
  readonly text: string
}

export const PARTS = { config, next, pm2, systemd, windows }
export type Part = keyof typeof PARTS

const CONFIG = 'hl7-outbox.config.json'
/** The longest attempt, and a little. */
const STOP_SECONDS = 130

function config({ path, destination, url }: Setup): File {
  const auth = /^https?:/.test(url) ? { auth: { bearer: `env:${variable(destination)}` } } : {}
  return { name: CONFIG, text: `${JSON.stringify({ path, destinations: { [destination]: { url, ...auth } } }, null, 2)}\n` }
}

/** The variable that holds the destination's token. */
export function variable(destination: string): string {
  return `${destination.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}_API_KEY`
}

function next({ hasSource }: Setup): File {
  return {
    name: join(hasSource ? 'src' : '', 'instrumentation.ts'),
    text: `export async function register() {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return
  const { startOutbox } = await import('hl7-outbox')
  // HL7_OUTBOX_CONFIG names the configuration. A failure to start must not stop the application from saving visits; every later
  // call tries again and says why it cannot.
  await startOutbox().catch((error) => console.error('outbox not started:', error.code))
}
`,
  }
}

function pm2({ folder }: Setup): File {
  const app = {
    name: 'hl7-worker',
    cwd: folder,
    script: 'node_modules/hl7-outbox/dist/cli/main.js',
    args: ['worker', '--config', join(folder, CONFIG)],
    wait_ready: true,
    kill_timeout: STOP_SECONDS * 1_000,
    // Windows has no signals; elsewhere the message is understood as well.
    shutdown_with_message: true,
  }
  return { name: 'hl7-outbox.ecosystem.config.cjs', text: `// pm2 start hl7-outbox.ecosystem.config.cjs\nmodule.exports = ${JSON.stringify({ apps: [app] }, null, 2)}\n` }
}

function systemd({ folder, path }: Setup): File {
  const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
  const plain = (text: string): string => text.replaceAll('%', '%%')
  return {
    name: 'hl7-outbox.service',
    text: `# cp hl7-outbox.service /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now hl7-outbox
[Unit]
Description=hl7-outbox worker
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
# The application's user: both write the outbox file. Tokens stand in the environment file, readable by root only.
User=www-data
EnvironmentFile=-/etc/hl7-outbox.env
WorkingDirectory=${plain(folder)}
ExecStart=${quoted(process.execPath)} ${quoted(join(folder, 'node_modules/hl7-outbox/dist/cli/main.js'))} worker --config ${quoted(join(folder, CONFIG))}
Restart=always
RestartSec=2
# Attempts in flight may end; what is cut all the same is sent again, marked.
KillSignal=SIGTERM
TimeoutStopSec=${STOP_SECONDS}
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths=${quoted(dirname(resolve(folder, path)))}

[Install]
WantedBy=multi-user.target
`,
  }
}

function windows({ folder }: Setup): File {
  const quoted = (text: string): string => `"${text.replaceAll('%', '%%')}"`
  const lines = [
    '@echo off',
    'rem Starts the hl7-outbox worker, again a few seconds after it ended. Close the window or press Ctrl-C to end it.',
    'rem As a task that starts with the machine, under the application\'s account, from an elevated prompt:',
    'rem   schtasks /create /tn hl7-outbox /sc onstart /ru DOMAIN\\account /rp * /tr "%~f0"',
    'rem As a service, with a program that wraps one (WinSW, NSSM): this file is what it runs; give it 130 seconds to stop.',
    'rem End it before the package is upgraded: Windows does not replace a binary that is loaded.',
    `cd /d ${quoted(folder)} || exit /b 1`,
    ':again',
    `node ${quoted(join(folder, 'node_modules', 'hl7-outbox', 'dist', 'cli', 'main.js'))} worker --config ${quoted(join(folder, CONFIG))}`,
    'timeout /t 5 /nobreak >nul',
    'goto again',
  ]
  return { name: 'hl7-outbox-worker.cmd', text: `${lines.join('\r\n')}\r\n` }
}
