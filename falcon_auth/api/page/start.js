SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false, // A token must not outlive the page.
  validatorUrl: null, // Nothing is sent to anyone else.
});
