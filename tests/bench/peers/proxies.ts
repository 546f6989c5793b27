import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One known key: what a request shows, and what it is told. */
export interface Known {
  authorization: string;
  body: string;
}

interface Place {
  /** A folder of its own. */
  dir: string;
  port: number;
}

/** HAProxy that answers out of a map file; others are 401. Returns the command that runs it. */
export function haproxy({ dir, port }: Place, known: readonly Known[]): string[] {
  const map = join(dir, 'keys.map');
  // A map file is split at the first blank, so the bearer's word goes first of all.
  writeFileSync(map, known.map(({ authorization, body }) => `${authorization.slice(7)} ${body}\n`).join(''));
  const config = join(dir, 'haproxy.cfg');
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 30s
  timeout connect 5s
  timeout server 30s
frontend keys
  bind 127.0.0.1:${port}
  http-request set-var(txn.answer) req.hdr(authorization),word(2,\\ ),map(${map})
  http-request return status 200 content-type application/json hdr cache-control no-store lf-string "%[var(txn.answer)]" if { var(txn.answer) -m found }
  http-request return status 401
`,
  );
  return ['haproxy', '-f', config, '-db'];
}

/** nginx with Lua that answers out of a shared dictionary; others are 401. */
export function nginxLua({ dir, port }: Place, known: readonly Known[]): string[] {
  const keys = join(dir, 'keys.txt');
  writeFileSync(keys, known.map(({ authorization, body }) => `${authorization}\t${body}\n`).join(''));
  return nginx(
    dir,
    `lua_shared_dict keys 64m;
  init_by_lua_block {
    for line in io.lines("${keys}") do
      local key, body = line:match("^(.-)\\t(.*)$")
      ngx.shared.keys:set(key, body)
    end
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      content_by_lua_block {
        local body = ngx.shared.keys:get(ngx.var.http_authorization or "")
        if not body then return ngx.exit(401) end
        ngx.header["content-type"] = "application/json"
        ngx.header["cache-control"] = "no-store"
        ngx.header["content-length"] = #body
        ngx.print(body)
      }
    }
  }`,
    'load_module /usr/lib/nginx/modules/ndk_http_module.so;\nload_module /usr/lib/nginx/modules/ngx_http_lua_module.so;',
  );
}

/** nginx that asks a gateway about each request before it answers with a small file. */
export function nginxAuthRequest({ dir, port }: Place, gateway: string): string[] {
  writeFileSync(join(dir, 'ok.json'), '{"ok":true}');
  return nginx(
    dir,
    `upstream gateway { server ${new URL(gateway).host}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / {
      auth_request /authenticate;
      root ${dir};
      try_files /ok.json =404;
    }
    location = /authenticate {
      internal;
      proxy_pass http://gateway/v1/authenticate;
      proxy_pass_request_body off;
      proxy_set_header content-length "";
      proxy_http_version 1.1;
      proxy_set_header connection "";
    }
  }`,
  );
}

/** nginx that hands everything on to one upstream. */
export function nginxProxy(
  { dir, port }: Place,
  upstream: string,
  headers: 'as-they-are' | 'forwarded-for' = 'as-they-are',
): string[] {
  return nginx(
    dir,
    `upstream backend { server ${new URL(upstream).host}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://backend;
      ${headers === 'forwarded-for' ? 'proxy_set_header x-forwarded-for $proxy_add_x_forwarded_for;' : ''}
      proxy_http_version 1.1;
      proxy_set_header connection "";
    }
  }`,
  );
}

/** nginx that answers everything with one body: an upstream that costs little. */
export function nginxAnswer({ dir, port }: Place, body: string): string[] {
  return nginx(
    dir,
    `server {
    listen 127.0.0.1:${port};
    location / {
      default_type application/json;
      return 200 '${body}';
    }
  }`,
  );
}

function nginx(dir: string, http: string, modules = ''): string[] {
  const config = join(dir, 'nginx.conf');
  writeFileSync(
    config,
    `${modules}
user root;
worker_processes 1;
daemon off;
error_log ${dir}/error.log crit;
pid ${dir}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  open_file_cache max=100;
  client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  ${http}
}
`,
  );
  return ['nginx', '-c', config];
}
