SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor(request) {
    // With a session every unsafe call needs its token, which the dashboard's page holds.
    if (["GET", "HEAD"].includes(request.method) || request.headers.Authorization) return request;
    return fetch("/dashboard")
      .then((page) => page.text())
      .then((text) => {
        const meta = new DOMParser().parseFromString(text, "text/html").querySelector("meta[name=csrf-token]");
        if (meta) request.headers["X-CSRFToken"] = meta.content;
        return request;
      });
  },
});
