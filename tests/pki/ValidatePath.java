import java.io.FileInputStream;
import java.io.InputStream;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/**
 * Validate a chain, and print GOOD or the reason of its rejection.
 *
 * Arguments: the file with the root, the file with the chain, and how the revocation of the first
 * certificate is checked: "none", "ocsp" (by the responder that it names), or a file with a CRL.
 */
class ValidatePath {
    public static void main(String[] arguments) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = (X509Certificate) read(factory, arguments[0]).get(0);
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        if (arguments[2].equals("none")) {
            parameters.setRevocationEnabled(false);
        } else {
            addChecker(factory, validator, parameters, arguments[2]);
        }
        try {
            validator.validate(factory.generateCertPath(read(factory, arguments[1])), parameters);
            System.out.println("GOOD");
        } catch (CertPathValidatorException fault) {
            System.out.println(fault.getReason());
        }
    }

    private static void addChecker(
            CertificateFactory factory,
            CertPathValidator validator,
            PKIXParameters parameters,
            String source)
            throws Exception {
        EnumSet<Option> options = EnumSet.of(Option.ONLY_END_ENTITY, Option.NO_FALLBACK);
        if (!source.equals("ocsp")) {
            options.add(Option.PREFER_CRLS);
            try (InputStream stream = new FileInputStream(source)) {
                parameters.addCertStore(CertStore.getInstance("Collection",
                        new CollectionCertStoreParameters(factory.generateCRLs(stream))));
            }
        }
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(options);
        parameters.addCertPathChecker(checker);
    }

    private static List<Certificate> read(CertificateFactory factory, String path)
            throws Exception {
        try (InputStream stream = new FileInputStream(path)) {
            return new ArrayList<>(factory.generateCertificates(stream));
        }
    }
}
