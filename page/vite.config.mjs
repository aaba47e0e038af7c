// The admin page for the browser: two files with fixed names, which js/admin hands out. Nothing is fetched from elsewhere.
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { defineConfig } from 'vite'

const here = dirname(fileURLToPath(import.meta.url))

export default defineConfig({
  root: here,
  logLevel: 'warn',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    outDir: join(here, '..', 'dist', 'admin', 'page'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    // An inlined picture or font would need more leave than the page's policy gives.
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rollupOptions: {
      input: join(here, 'main.tsx'),
      output: { entryFileNames: 'app.js', assetFileNames: 'app.css', inlineDynamicImports: true },
    },
  },
})
