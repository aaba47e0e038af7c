// PM2: an application in cluster mode that only enqueues, and one worker that delivers for it. docs/deployment.md explains.
//   pm2 start ecosystem.config.js                                      both
//   pm2 start ecosystem.config.js --only clinic --env without_worker   the application alone; it delivers itself
'use strict'

/** What both must agree on; without it here, in the environment that PM2 is started with. */
const outbox = {
  HL7_OUTBOX_PATH: process.env.HL7_OUTBOX_PATH ?? '/var/lib/clinic/outbox.db',
  HL7_OUTBOX_CONFIG: process.env.HL7_OUTBOX_CONFIG ?? '/etc/clinic/hl7-outbox.config.json',
}

/** Where the application is. With releases in folders of their own, the link that leads to the present one: a reload then takes the next. */
const cwd = process.env.CLINIC_HOME ?? __dirname

module.exports = {
  apps: [
    {
      name: 'clinic',
      cwd,
      script: './server.mjs',
      exec_mode: 'cluster',
      instances: 2,
      // A new process counts as up when it says so; only then does PM2 end the old one.
      wait_ready: true,
      listen_timeout: 20_000,
      // PM2's own default, written down: stopOnSignals ends within 1,400 ms.
      kill_timeout: 1_600,
      env: { ...outbox, HL7_OUTBOX_DISPATCH: 'off' },
      env_without_worker: { ...outbox, HL7_OUTBOX_DISPATCH: 'on' },
    },
    {
      name: 'clinic-hl7-worker',
      cwd,
      script: './node_modules/hl7-outbox/dist/cli/main.js',
      args: 'worker',
      exec_mode: 'fork',
      instances: 1,
      wait_ready: true,
      listen_timeout: 20_000,
      // More than the longest attempt (timeouts.totalMs, 120 s): PM2 waits for it and cuts none.
      kill_timeout: 130_000,
      // Windows has no signals. PM2 sends the message to this one, for it runs in fork mode.
      shutdown_with_message: process.platform === 'win32',
      env: outbox,
    },
  ],
}
