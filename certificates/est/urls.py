"""URL paths of the EST protocol, mounted at /.well-known/est/."""

from django.urls import path

from certificates.est import views

PATH = "/.well-known/est"
app_name = "est"
urlpatterns = [
    path("cacerts", views.download_ca_certificates, name="cacerts"),
    path("csrattrs", views.show_csr_attributes, name="csrattrs"),
    path("simpleenroll", views.enroll, name="simpleenroll"),
    path("simplereenroll", views.reenroll, name="simplereenroll"),
]
