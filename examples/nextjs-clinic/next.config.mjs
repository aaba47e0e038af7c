import { withHl7Outbox } from 'hl7-outbox/next'

export default withHl7Outbox({
  poweredByHeader: false,
  experimental: {
    // PGlite finds its WebAssembly and data files beside its own sources, so it must stay in node_modules; pg likewise has optional natives.
    serverComponentsExternalPackages: ['@electric-sql/pglite', 'pg'],
  },
})
